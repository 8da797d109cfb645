import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidBytes } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { ExpiredOffer, HandoffStore } from '../persistence/handoff.store.js';
import type { AppendSteps } from './append-steps.js';

/** Whoever holds this lane tends. Two at once would do no harm. */
const TEND_SHARD = 0;
const TEND_INTERVAL_MS = 1_000;
const OFFERS_MAX = 100;
const STEPS_MAX = 200;
/** Younger steps are still being told to the log by the call that made them. */
const STEP_AGE_MS_MIN = 2_000;

/** Puts offers that nobody accepted back into the queue, and tells the log what a crash kept from it. */
export class TendHandoffs {
  private readonly rounds = new Rounds(TEND_INTERVAL_MS, () => this.round());

  constructor(
    private readonly db: Pick<Database, 'transaction' | 'query'>,
    private readonly handoffs: Pick<HandoffStore, 'expireOffers'>,
    private readonly steps: Pick<HandoffStepStore, 'add' | 'waiting'>,
    private readonly append: AppendSteps,
    private readonly leases: Pick<ShardLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. @returns how many steps were made or told. */
  async run(): Promise<number> {
    const expired = await this.db.transaction(async (tx) => {
      const offers = await this.handoffs.expireOffers(tx, OFFERS_MAX);
      const made = offers.map((offer) => this.stepOf(offer));
      for (const step of made) await this.steps.add(tx, step);
      return made;
    });
    const waiting = await this.steps.waiting(this.db, STEP_AGE_MS_MIN, STEPS_MAX);
    await this.append.run([...expired, ...waiting]);
    return expired.length + waiting.length;
  }

  private async round(): Promise<void> {
    try {
      if (this.leases.held().has(TEND_SHARD)) await this.run();
    } catch (err) {
      this.log.warn({ err, stage: 'handoff' }, 'hand-offs were not tended');
    }
  }

  private stepOf({ handoff, atMs, tenantId, offeredTo, channel, personHash }: ExpiredOffer): HandoffStep {
    return {
      tenantId: uuidBytes(tenantId),
      eventId: newUuid(this.clock.nowMs()),
      handoffId: uuidBytes(handoff.handoffId),
      conversationId: uuidBytes(handoff.conversationId),
      type: 'conversation.offer_expired',
      target: 'queue',
      actor: 'timer',
      note: `not accepted by ${offeredTo}`,
      channel,
      personHash,
      occurredAtMs: atMs,
      traceparent: '',
      sealed: undefined,
    };
  }
}
