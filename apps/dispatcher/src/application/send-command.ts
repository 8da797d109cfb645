import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import type { EgressClient } from '@posthorn/egress/egress-client.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient } from '../clients/events.client.js';
import type { SendAdapter, SendResult } from '../clients/senders/send-adapter.js';
import { EgressSendHttp } from '../clients/senders/send-http.js';
import { type Command, type MessageBody } from '../domain/command.js';
import { type CommandAttempt, type CommandChange, moveOf, postponementOf } from '../domain/command-change.js';
import { PERMIT_VALID_MS, settleAtMs } from '../domain/command-step.js';
import { type SendTurn, SendWindow } from '../domain/send-window.js';
import { withUnsubscribe } from '../domain/unsubscribe.js';
import type { AskPermits, Permit } from './ask-permits.js';
import type { CommandContents } from './command-content.js';
import type { CommandLimits } from './command-limits.js';
import type { CommandMetrics } from './command-metrics.js';
import { judgeSend } from './judge-send.js';
import type { RecordCommands } from './record-commands.js';
import { isRoute, type SendRoute, type SendRoutes } from './send-routes.js';

/** Carries sends; a client of its own, with longer times than deliveries have. */
export class SendEgressClient {
  constructor(readonly client: EgressClient) {}

  onApplicationShutdown(): Promise<void> {
    return this.client.onApplicationShutdown();
  }
}

/** Until compliance, or events, is asked again after it was silent. */
const SILENCE_MS = 1_000;
const OWNED = 'conversation.owned';

/** What events says of a conversation. */
type Owner = Awaited<ReturnType<EventsClient['checkOwner']>>;

/**
 * Sends one command, once: who may write into the conversation → may it be sent, now → the intent is committed →
 * the wire → the outcome. Whatever cannot be found out means that nothing is sent.
 */
export class SendCommand {
  private readonly window: SendWindow;

  constructor(
    private readonly routes: SendRoutes,
    private readonly contents: Pick<CommandContents, 'read'>,
    private readonly events: Pick<EventsClient, 'checkOwner'>,
    private readonly permits: AskPermits,
    private readonly record: Pick<RecordCommands, 'begin' | 'settle'>,
    private readonly egress: SendEgressClient,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'debug'>,
    private readonly metrics: Pick<CommandMetrics, 'onProviderCall' | 'onPermitOver'>,
    private readonly limits: CommandLimits,
  ) {
    this.window = new SendWindow(limits.inFlightMax, PERMIT_VALID_MS);
  }

  /** Sends that may be between their permit and the wire, now. */
  get places(): number {
    return this.window.places;
  }

  /** @throws AppError `store.unavailable`, `data_key.unavailable`: the command stays where it is. */
  async run(command: Command): Promise<void> {
    const route = this.routes.of(command);
    if (!isRoute(route)) return this.fail(command, route.errorCode, route.detail);
    const written = await this.contents.read(command, route.tenant);
    if (written === undefined) return this.fail(command, 'message.erased', 'its content was erased');
    const turn = await this.window.enter();
    try {
      await this.runInTurn(turn, command, this.withLink(command, written, route), route);
    } finally {
      turn.end();
    }
  }

  private async runInTurn(
    turn: SendTurn,
    command: Command,
    body: MessageBody,
    route: SendRoute,
  ): Promise<void> {
    const owner = await this.ownerOf(command);
    if (owner === undefined) return this.postpone(command);
    const refusal = refusalOf(command, owner);
    if (refusal !== undefined) return this.fail(command, OWNED, refusal);
    if (this.routes.isHeld(command)) return; // paused meanwhile: it stays in the store
    const told = { ...command, lastInboundAtMs: lastInboundMs(command, owner) };
    const askedAtMs = this.clock.monotonicMs();
    const answer = await this.permits.ask(told, body, route);
    const answeredMs = this.clock.monotonicMs() - askedAtMs;
    // Who is away answers nothing at once: that says nothing of how long permits take.
    if (answer.kind !== 'allow' && (answer.kind !== 'silent' || answeredMs >= PERMIT_VALID_MS))
      turn.end(answeredMs);
    switch (answer.kind) {
      case 'allow':
        return this.sendUnder(answer.permit, command, body, route, (beginMs) =>
          turn.end(beginMs - askedAtMs),
        );
      case 'deny':
        return void (await this.record.settle(moveOf(command, 'blocked', { decision: answer })));
      case 'defer':
        return this.defer(command, answer);
      case 'silent':
        return this.postpone(command);
    }
  }

  /** Made when it leaves: what is kept of it has no link that somebody could use. */
  private withLink(command: Command, body: MessageBody, route: SendRoute): MessageBody {
    const link = (): string => this.routes.unsubscribeUrl(route, command);
    return { ...body, content: withUnsubscribe(command, body.content, link) };
  }

  private async sendUnder(
    permit: Permit,
    command: Command,
    body: MessageBody,
    route: SendRoute,
    onBegin: (atMs: number) => void,
  ): Promise<void> {
    if (!this.permits.isValid(permit)) {
      onBegin(this.clock.monotonicMs());
      this.metrics.onPermitOver();
      this.permits.close(permit, 'not_sent');
      return this.postpone(command);
    }
    const { adapter } = route;
    const startedAtMs = this.clock.nowMs();
    const begun = { number: command.attemptCount + 1, permitId: permit.id, startedAtMs, durationMs: 0 };
    const onWire: Command = {
      ...command,
      state: 'sending',
      attemptCount: begun.number,
      sentAtMs: startedAtMs,
    };
    let isBegun: boolean;
    try {
      isBegun = await this.record.begin(intentOf(command, begun, permit, adapter));
    } catch (error) {
      this.permits.close(permit, 'not_sent');
      // The intent may have been committed all the same, and nobody sends under it.
      await this.record.settle(
        this.judge(onWire, begun, adapter, notSent('the intent is not known to be committed')),
      );
      throw error;
    }
    if (!isBegun) return this.permits.close(permit, 'not_sent'); // canceled, or another process has it
    const startMs = this.clock.monotonicMs();
    onBegin(startMs);
    const result = await this.onWire(permit, onWire, body, route);
    this.metrics.onProviderCall(route.source.provider, result.kind);
    this.permits.close(
      permit,
      result.kind === 'sent' || result.kind === 'unknown' ? result.kind : 'not_sent',
    );
    const ended = { ...begun, durationMs: this.clock.monotonicMs() - startMs };
    await this.record.settle(this.judge(onWire, ended, adapter, result));
  }

  private async onWire(
    permit: Permit,
    command: Command,
    body: MessageBody,
    route: SendRoute,
  ): Promise<SendResult> {
    let isOver = false;
    const mayBegin = (): boolean => {
      isOver = !this.permits.isValid(permit) || this.routes.isHeld(command);
      return !isOver;
    };
    if (!mayBegin()) return this.permitOver(permit);
    const { adapter, source, credentials, settings } = route;
    const messageId = formatId('msg', command.messageId);
    const result = await adapter.send(
      new EgressSendHttp(this.egress.client, this.clock, source.id, mayBegin),
      {
        messageId,
        channel: command.channel,
        to: body.to,
        from: body.from,
        content: body.content,
        credentials,
        settings,
        apiBaseUrl: apiBaseUrlOf(settings),
        statusCallbackUrl: this.routes.callbackUrl(route),
      },
    );
    return isOver && result.kind === 'not_sent' ? this.permitOver(permit) : result;
  }

  private permitOver(permit: Permit): SendResult {
    if (!this.permits.isValid(permit)) this.metrics.onPermitOver(); // or the source was paused
    return { kind: 'not_sent', detail: 'the permission to send is over', isPermitOver: true };
  }

  private judge(
    command: Command,
    attempt: Omit<CommandAttempt, 'outcome' | 'errorCode' | 'detail'>,
    adapter: SendAdapter,
    result: SendResult,
  ): CommandChange {
    const [nowMs, random] = [this.clock.nowMs(), Math.random()];
    return judgeSend(command, attempt, result, { adapter, limits: this.limits, nowMs, random });
  }

  /** @returns undefined when nobody says. */
  private async ownerOf(command: Command): Promise<Owner | undefined> {
    try {
      return await this.events.checkOwner(command);
    } catch (err) {
      this.log.debug({ stage: 'command', err }, 'nobody says who a conversation belongs to');
      return undefined;
    }
  }

  private async defer(
    command: Command,
    answer: { readonly rule: string; readonly detail: string; readonly untilMs: number },
  ): Promise<void> {
    const dueAtMs = Math.min(Math.max(answer.untilMs, this.clock.nowMs() + SILENCE_MS), command.notAfterMs);
    await this.record.settle(
      command.state === 'deferred'
        ? postponementOf(command, dueAtMs, { decision: answer })
        : moveOf(command, 'deferred', { dueAtMs, decision: answer }),
    );
  }

  private async postpone(command: Command): Promise<void> {
    const waitMs = SILENCE_MS * (1 + Math.random());
    await this.record.settle(postponementOf(command, this.clock.nowMs() + waitMs));
  }

  private async fail(command: Command, errorCode: string, detail: string): Promise<void> {
    await this.record.settle(moveOf(command, 'failed', { errorCode, detail }));
  }
}

/** Why this sender may not write into the conversation now; undefined when it may. */
function refusalOf(command: Command, owner: Owner): string | undefined {
  if (command.sender === 'bot') return owner.owner === 'bot' ? undefined : 'a person has the conversation';
  const isClaimed = owner.owner === 'agent' && owner.fencingToken === command.fencingToken;
  return isClaimed ? undefined : 'the claim is over';
}

/**
 * When the recipient last wrote: what the log knows. Whoever asked for the send may only have it earlier: a window is
 * open because the person wrote, not because a caller says so.
 */
function lastInboundMs({ lastInboundAtMs: claimedMs }: Command, { lastInboundAtMs: knownMs }: Owner): number {
  // A version of events that does not tell yet: as it was before.
  if (knownMs === undefined) return claimedMs;
  return claimedMs > 0 ? Math.min(claimedMs, knownMs) : knownMs;
}

const notSent = (detail: string): SendResult => ({ kind: 'not_sent', detail });

/** Where a source's provider is called; empty = the provider's own. */
export const apiBaseUrlOf = (settings: Readonly<Record<string, unknown>>): string => {
  const url = settings['apiBaseUrl'];
  return typeof url === 'string' ? url : '';
};

const intentOf = (
  command: Command,
  attempt: Omit<CommandAttempt, 'outcome' | 'errorCode' | 'detail'>,
  { decision }: Permit,
  adapter: SendAdapter,
): CommandChange =>
  moveOf(command, 'sending', {
    attemptCount: attempt.number,
    lookupCount: 0,
    sentAtMs: attempt.startedAtMs,
    dueAtMs: settleAtMs(attempt.startedAtMs, adapter),
    decision,
    attempt: { ...attempt, outcome: 'sending', errorCode: '', detail: '' },
  });
