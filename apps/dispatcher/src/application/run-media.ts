import type { Clock } from '@posthorn/clock/clock.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient, MediumToFetch } from '../clients/events.client.js';
import type { FetchMedium } from './fetch-medium.js';
import type { MediaLimits } from './media-limits.js';
import type { MediaMetrics } from './media-metrics.js';

/**
 * Asks events for media that are due, fetches them and hands their bytes over. Nothing of it is kept here: what this process
 * has when it dies is handed out again when its lease ends.
 */
export class RunMedia {
  private readonly inFlight = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private claiming: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly instanceId: string,
    private readonly edge: Pick<EdgeConfig, 'isReady'>,
    private readonly events: Pick<EventsClient, 'claimMedia' | 'storeMedium' | 'settleMedium'>,
    private readonly fetch: Pick<FetchMedium, 'run'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'debug' | 'warn'>,
    private readonly metrics: MediaMetrics,
    private readonly limits: MediaLimits,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), this.limits.pollMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.claiming;
    let giveUp: NodeJS.Timeout | undefined;
    const longest = new Promise<void>((resolve) => (giveUp = setTimeout(resolve, this.limits.stopMs)));
    await Promise.race([Promise.all(this.inFlight), longest]);
    clearTimeout(giveUp);
  }

  private wake(): void {
    if (this.isStopped || !this.edge.isReady) return;
    this.claiming ??= this.claim().finally(() => (this.claiming = undefined));
  }

  private async claim(): Promise<void> {
    const room = this.limits.inFlightMax - this.inFlight.size;
    if (room <= 0) return;
    let claimed: MediumToFetch[];
    try {
      claimed = await this.events.claimMedia(this.instanceId, room, this.limits.leaseSeconds);
    } catch (err) {
      this.log.debug({ err, stage: 'media' }, 'nobody says what is to be fetched');
      return;
    }
    for (const medium of claimed) {
      const running = this.one(medium).finally(() => {
        this.inFlight.delete(running);
        this.metrics.setInFlight(this.inFlight.size);
        this.wake();
      });
      this.inFlight.add(running);
    }
    this.metrics.setInFlight(this.inFlight.size);
  }

  /** Never rejects: what events was not told is handed out again. */
  private async one(medium: MediumToFetch): Promise<void> {
    const startMs = this.clock.monotonicMs();
    let outcome = 'unsaved';
    try {
      const result = await this.fetch.run(medium);
      if (result.kind === 'fetched') {
        const isStored = await this.events.storeMedium(this.instanceId, medium, result);
        outcome = isStored ? 'stored' : 'dropped';
      } else {
        await this.events.settleMedium(this.instanceId, medium, result);
        outcome = result.kind;
      }
    } catch (err) {
      const { provider } = medium;
      this.log.warn({ err, stage: 'media', provider }, 'what became of a medium was not kept');
    }
    this.metrics.onFetch(outcome, this.clock.monotonicMs() - startMs);
  }
}
