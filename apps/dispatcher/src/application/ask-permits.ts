import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import type { Logger } from '@posthorn/server/logger.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ComplianceClient } from '../clients/compliance.client.js';
import { carrierRepliesOf } from '../domain/carrier-replies.js';
import { type Command, type MessageBody } from '../domain/command.js';
import { PERMIT_VALID_MS } from '../domain/command-step.js';
import type { CommandMetrics } from './command-metrics.js';
import type { SendRoute } from './send-routes.js';

/** A permission to send one message, for a moment. */
export interface Permit {
  /** The decision's ID. */
  readonly id: string;
  readonly tenantId: string;
  readonly decision: { readonly rule: string; readonly detail: string };
  /** On our own monotonic clock. */
  readonly validUntilMs: number;
}

/** What compliance says; `silent` is no answer, and an answer that nobody understands. */
export type PermitAnswer =
  | { readonly kind: 'allow'; readonly permit: Permit }
  | { readonly kind: 'deny'; readonly rule: string; readonly detail: string }
  | { readonly kind: 'defer'; readonly rule: string; readonly detail: string; readonly untilMs: number }
  | { readonly kind: 'silent'; readonly detail: string };

/** What of the way out decides. */
export type PermitRoute = Pick<SendRoute, 'settings'> & {
  readonly source: Pick<SendRoute['source'], 'provider'>;
  readonly adapter: Pick<SendRoute['adapter'], 'repliesByItself'>;
};

/** How the send under a permit ended. */
export type PermitOutcome = 'sent' | 'not_sent' | 'unknown';

/** Asks compliance just before a message leaves, and tells it when that is over. */
export class AskPermits {
  constructor(
    private readonly compliance: Pick<ComplianceClient, 'requestPermit' | 'closePermit'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'debug'>,
    private readonly metrics: Pick<CommandMetrics, 'onPermit'>,
  ) {}

  /** Never throws: silence means no. */
  async ask(command: Command, body: MessageBody, route: PermitRoute): Promise<PermitAnswer> {
    // Before the request leaves: compliance counts from a later moment, so ours ends first.
    const askedAtMs = this.clock.monotonicMs();
    const answer = await this.request(command, body, route, askedAtMs);
    this.metrics.onPermit(answer.kind, this.clock.monotonicMs() - askedAtMs);
    return answer;
  }

  isValid(permit: Permit): boolean {
    return this.clock.monotonicMs() < permit.validUntilMs;
  }

  /** Lets an opt-out that waits for this send go on. One that cannot be told expires by itself. */
  close({ tenantId, id }: Permit, outcome: PermitOutcome): void {
    this.compliance.closePermit({ tenantId, permitId: id, outcome }).catch((err: unknown) => {
      this.log.debug({ tenantId, err }, 'a permit was not closed; it expires');
    });
  }

  private async request(
    command: Command,
    { to, from, content, contact }: MessageBody,
    { source, settings, adapter }: PermitRoute,
    askedAtMs: number,
  ): Promise<PermitAnswer> {
    const tenantId = formatId('ten', command.tenantId);
    const { answersEventId, channel } = command;
    const providerReplies = adapter.repliesByItself ?? [];
    try {
      const { decision, permitId, rule, detail, untilMs, validForMs } = await this.compliance.requestPermit(
        {
          tenantId,
          messageId: formatId('msg', command.messageId),
          sourceId: command.sourceId,
          channel,
          address: to,
          category: command.category,
          program: command.program,
          answersEventId: answersEventId.length === 0 ? '' : formatId('evt', answersEventId),
          ...contact,
          lastInboundAtMs: command.lastInboundAtMs,
          isReplay: command.isReplay,
          provider: source.provider,
          isTemplate: content.template !== undefined,
          carrierReplies: [...carrierRepliesOf({ channel, from, settings, providerReplies })],
        },
        command.traceparent,
      );
      if (decision === 'deny') return { kind: 'deny', rule, detail };
      if (decision === 'defer') return { kind: 'defer', rule, detail, untilMs };
      if (decision !== 'allow' || permitId === '')
        return { kind: 'silent', detail: 'an answer of no meaning' };
      const validUntilMs = askedAtMs + Math.min(validForMs, PERMIT_VALID_MS);
      return { kind: 'allow', permit: { id: permitId, tenantId, decision: { rule, detail }, validUntilMs } };
    } catch (error) {
      return { kind: 'silent', detail: error instanceof AppError ? error.code : 'internal.error' };
    }
  }
}
