import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { FactPublisher } from '@posthorn/jetstream/fact-publisher.js';
import type { LaneCursor } from '../domain/project-batch.js';

const BEAT_INTERVAL_MS = 500;

/** What the relay says of the lanes of this process. */
export interface LaneHeads {
  readonly epoch: string;
  readonly lanes: Iterable<LaneCursor>;
}

/**
 * Sends committed facts on their way, straight from memory, and says at times how far each lane is.
 * There is no cursor and no retry: a consumer that misses facts, or hears of a head ahead of it, fetches them.
 */
export class RelayFacts {
  private timer: NodeJS.Timeout | undefined;
  private heads: (() => LaneHeads) | undefined;

  constructor(private readonly publisher: Pick<FactPublisher, 'publish' | 'publishHeads'>) {}

  /** @param heads asked at every beat. */
  beat(heads: () => LaneHeads): void {
    this.heads = heads;
    this.timer ??= setInterval(() => this.sayHeads(), BEAT_INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** @param facts of any lanes; each lane's in order. */
  publish(epoch: string, facts: readonly { readonly shard: number; readonly fact: Fact }[]): void {
    const runs = new Map<number, Fact[]>();
    for (const { shard, fact } of facts) {
      const run = runs.get(shard);
      if (run === undefined) runs.set(shard, [fact]);
      else run.push(fact);
    }
    for (const [shard, run] of runs) this.publisher.publish({ epoch, shard, facts: run });
  }

  private sayHeads(): void {
    const { epoch, lanes } = this.heads!();
    const heads = Array.from(lanes, ({ shard, headSequence }) => ({ shard, sequence: headSequence }));
    if (heads.length > 0) this.publisher.publishHeads({ epoch, heads });
  }
}
