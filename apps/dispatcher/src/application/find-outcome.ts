import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { EgressSendHttp } from '../clients/senders/send-http.js';
import { type Command } from '../domain/command.js';
import { moveOf, postponementOf } from '../domain/command-change.js';
import type { CommandContents } from './command-content.js';
import type { CommandLimits } from './command-limits.js';
import type { CommandMetrics } from './command-metrics.js';
import { judgeFind } from './judge-send.js';
import type { RecordCommands } from './record-commands.js';
import { apiBaseUrlOf, type SendEgressClient } from './send-command.js';
import { isRoute, type SendRoutes } from './send-routes.js';

/** Finds out what became of commands that may have left; never sends. */
export class FindOutcome {
  constructor(
    private readonly routes: Pick<SendRoutes, 'of'>,
    private readonly contents: Pick<CommandContents, 'read'>,
    private readonly record: Pick<RecordCommands, 'settle'>,
    private readonly egress: SendEgressClient,
    private readonly clock: Clock,
    private readonly metrics: Pick<CommandMetrics, 'onLookup'>,
    private readonly limits: CommandLimits,
  ) {}

  /** Nobody waits for its answer any more: the process that sent it is gone. */
  async settle(command: Command): Promise<void> {
    const route = this.routes.of(command);
    const canAsk = isRoute(route) && route.adapter.find !== undefined;
    const attempt = {
      ...{ number: command.attemptCount, permitId: '', startedAtMs: command.sentAtMs, durationMs: 0 },
      ...({ outcome: 'unknown', errorCode: '', detail: 'its process ended' } as const),
    };
    const dueAtMs = canAsk ? this.clock.nowMs() : Infinity;
    await this.record.settle(moveOf(command, 'indeterminate', { dueAtMs, detail: attempt.detail, attempt }));
  }

  /**
   * Asks the provider once.
   * @throws AppError `store.unavailable`, `data_key.unavailable`: the command stays where it is.
   */
  async ask(command: Command): Promise<void> {
    const route = this.routes.of(command);
    const body = isRoute(route) ? await this.contents.read(command, route.tenant) : undefined;
    if (!isRoute(route) || route.adapter.find === undefined || body === undefined) {
      return void (await this.record.settle(postponementOf(command, Infinity)));
    }
    const { adapter, source, credentials, settings } = route;
    const result = await route.adapter.find(
      new EgressSendHttp(this.egress.client, this.clock, source.id, () => false),
      {
        messageId: formatId('msg', command.messageId),
        channel: command.channel,
        to: body.to,
        from: body.from,
        content: body.content,
        sentAtMs: command.sentAtMs,
        credentials,
        settings,
        apiBaseUrl: apiBaseUrlOf(settings),
      },
    );
    this.metrics.onLookup(result.kind);
    const [nowMs, random] = [this.clock.nowMs(), Math.random()];
    await this.record.settle(judgeFind(command, result, { adapter, limits: this.limits, nowMs, random }));
  }
}
