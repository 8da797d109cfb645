import { createHash } from 'node:crypto';
import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import { judgeWatch, OPEN_STATES } from '../domain/message-watch.js';
import type { IntakeRequest } from '../domain/intake.js';
import { OWN_SERVICE } from '../domain/project-event.js';
import type { WatchedMessage, WatchStore } from '../persistence/watch.store.js';
import type { AppendRequests } from './append-requests.js';
import { serviceLane } from './service-lane.js';

/** Whoever holds this lane watches. Two at once would do no harm: the log knows each message's event. */
const WATCH_SHARD = 0;
const WATCH_INTERVAL_MS = 60_000;
/** Most messages have their end by then, and every row is made: also those of a log that was behind for hours. */
const SWEEP_AGE_MS = 6 * 60 * 60 * 1_000;
const SWEEP_PER_TENANT_MAX = 1_000;
const DUE_MAX = 500;
/** Pages of one round: what is left waits for the next. */
const PAGES_MAX = 50;
const HASH_BYTES = 16;
const NONE = Buffer.alloc(0);

/** Says `unknown` of messages whose provider never told how they ended. */
export class WatchMessages {
  private readonly rounds = new Rounds(WATCH_INTERVAL_MS, () => this.round());

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: WatchStore,
    private readonly append: Pick<AppendRequests, 'run'>,
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly leases: Pick<ShardLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn' | 'info'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. @returns how many messages were said to be unknown. */
  async run(): Promise<number> {
    const nowMs = this.clock.nowMs();
    const before = newUuid(nowMs - SWEEP_AGE_MS);
    for (let page = 0; page < PAGES_MAX && !this.rounds.isStopped; page += 1)
      if ((await this.store.sweep(this.db, before, SWEEP_PER_TENANT_MAX, OPEN_STATES)) === 0) break;
    let total = 0;
    for (let page = 0; page < PAGES_MAX && !this.rounds.isStopped; page += 1) {
      const due = await this.store.due(this.db, nowMs, DUE_MAX);
      total += await this.judge(due, nowMs);
      if (due.length < DUE_MAX) break;
    }
    if (total > 0) this.log.info({ stage: 'watch', count: total }, 'messages without an end are unknown now');
    return total;
  }

  private async judge(due: readonly WatchedMessage[], nowMs: number): Promise<number> {
    const judged = due.map((message) => ({ message, verdict: judgeWatch(message, nowMs) }));
    const unknown = judged.flatMap(({ message, verdict }) =>
      verdict.kind === 'unknown' ? [this.requestOf(message, verdict.windowHours, nowMs)] : [],
    );
    const outcomes = await this.append.run(unknown);
    if (outcomes.some(({ outcome }) => outcome === 'unavailable')) throw new Error('the log takes nothing');
    await this.store.later(
      this.db,
      judged.flatMap(({ message, verdict }) =>
        verdict.kind === 'later' ? [{ ...message, dueAtMs: verdict.dueAtMs }] : [],
      ),
    );
    await this.store.done(
      this.db,
      judged.filter(({ verdict }) => verdict.kind !== 'later').map(({ message }) => message),
    );
    return unknown.length;
  }

  private requestOf(message: WatchedMessage, windowHours: number, nowMs: number): IntakeRequest {
    const { tenantId, sourceId, messageId, providerMessageId, isCommand, personHash } = message;
    const dedupHash = createHash('sha256').update('watch').update(messageId).digest();
    return {
      requestId: NONE,
      tenantId,
      sourceId,
      provider: OWN_SERVICE,
      secretId: NONE,
      receivedAtMs: nowMs,
      dataKeyId: NONE,
      raw: NONE,
      traceparent: '',
      events: [
        {
          eventId: newUuid(nowMs),
          dedupHash: dedupHash.subarray(0, HASH_BYTES),
          type: 'message.unknown',
          shard: serviceLane(this.edge, tenantId, personHash ?? messageId),
          personHash: personHash ?? NONE,
          occurredAtMs: 0,
          content: NONE,
          attributes: {
            providerEventId: '',
            providerMessageId,
            channel: message.channel,
            direction: 'outbound',
            status: 'unknown',
            providerStatus: '',
            errorCode: '',
            campaign: '',
            signal: '',
            conversationHash: message.conversationId ?? NONE,
            providerType: '',
            causedBy: NONE,
            note: `no final state within ${windowHours} h of ${message.state}`,
            // A row that a callback made has its provider's name only: it may yet turn out to be a command's.
            messageId: isCommand ? messageId : NONE,
            replyToProviderMessageId: '',
          },
        },
      ],
    };
  }

  private async round(): Promise<void> {
    try {
      if (this.leases.held().has(WATCH_SHARD)) await this.run();
    } catch (err) {
      this.log.warn({ err, stage: 'watch' }, 'messages were not watched');
    }
  }
}
