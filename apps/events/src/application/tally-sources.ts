import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import { NO_SOURCE, type IntakeRequest } from '../domain/intake.js';
import { addRequest, emptyTally, type SourceTally } from '../domain/source-tally.js';
import type { SourceTallyStore } from '../persistence/source-tally.store.js';

const FLUSH_INTERVAL_MS = 2_000;
/** Sources between two flushes; the requests of others are not counted. */
const SOURCES_MAX = 20_000;
const ROWS_MAX = 500;

/**
 * Counts what intake does for each source, in memory, and writes it down every two seconds.
 * Why not with each commit: every batch would update the rows of its sources, and lanes would wait for each other.
 * A crash loses what was counted since; no event hangs on it.
 */
export class TallySources {
  private tallies = new Map<string, SourceTally>();
  private readonly rounds = new Rounds(FLUSH_INTERVAL_MS, () => this.round());

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: SourceTallyStore,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.rounds.stop();
    await this.round();
  }

  /** @param request committed. @param stored how many of its events are new. */
  count(request: IntakeRequest, stored: number): void {
    if (request.requestId.length === 0 || request.sourceId.equals(NO_SOURCE)) return; // of a service of ours
    const name = request.sourceId.toString('latin1');
    let tally = this.tallies.get(name);
    if (tally === undefined) {
      if (this.tallies.size >= SOURCES_MAX) return;
      this.tallies.set(name, (tally = emptyTally(request)));
    }
    addRequest(tally, request, stored);
  }

  /** Writes down what was counted. */
  async flush(): Promise<void> {
    const tallies = [...this.tallies.values()];
    this.tallies = new Map();
    for (let start = 0; start < tallies.length; start += ROWS_MAX)
      await this.store.add(this.db, tallies.slice(start, start + ROWS_MAX));
  }

  private async round(): Promise<void> {
    try {
      await this.flush();
    } catch (err) {
      this.log.warn({ err, stage: 'tally' }, 'counts of sources were lost');
    }
  }
}
