import type { Clock } from '@posthorn/clock/clock.js';
import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { distinctPersons, personKey } from '../domain/person.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { FoldSignals } from './fold-signals.js';
import type { PermitDrain } from './permit-drain.js';
import type { RelayWake } from './relay-wake.js';

/** A second one would share one batch with the first, and each transaction has a price. */
const LANES_MAX = 1;
const WAITING_MAX = 8_192;

/** Writes opt-outs of intake: after the answer of `run` no send to that person begins. */
export class ApplySignals {
  private readonly batcher = new Batcher<ObservedSignal, readonly string[]>((signals) => this.fold(signals), {
    ...{ itemsMax: SIGNALS_MAX, lanesMax: LANES_MAX, waitingMax: WAITING_MAX },
  });

  constructor(
    private readonly db: Database,
    private readonly signals: FoldSignals,
    private readonly permits: PermitStore,
    private readonly drain: PermitDrain,
    private readonly wake: RelayWake,
    private readonly metrics: ComplianceMetrics,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * Resolves once the signals are committed and every permit that was given before is closed or expired.
   * @throws AppError `store.*` when that is not known.
   */
  async run(signals: readonly ObservedSignal[]): Promise<void> {
    await this.drain.wait(await this.write(signals));
  }

  /**
   * Resolves once they are committed, for whoever answers nobody by it.
   * @returns permits that were given before, and may be open. @throws AppError `store.*` when it is not known.
   */
  async write(signals: readonly ObservedSignal[]): Promise<readonly string[]> {
    const open = await Promise.all(signals.map((signal) => this.batcher.add(signal)));
    return [...new Set(open.flat())];
  }

  /** @returns for each signal the open permits of its transaction. */
  private async fold(signals: readonly ObservedSignal[]): Promise<(readonly string[])[]> {
    const nowMs = this.clock.nowMs();
    const persons = distinctPersons(signals.map(({ person }) => person));
    const { recorded, changes, open } = await this.db.transaction(async (tx) => {
      let before: ReadonlyMap<string, readonly string[]> = new Map();
      // Under the locks: all permits that were given before are to be seen, and later ones know the opt-out.
      const readOpen = async (): Promise<void> => {
        before = await this.permits.openOf(tx, persons, nowMs);
      };
      const folded = await this.signals.commit(tx, signals, nowMs, { underLocks: readOpen });
      return { ...folded, open: before };
    });
    const writtenMs = this.clock.nowMs();
    for (const { kind, eventId, provider, receivedAtMs } of recorded) {
      this.metrics.signal(kind);
      if (kind === 'opt_out') this.metrics.propagated(writtenMs - receivedAtMs);
      this.log.info({ eventId, signal: kind, provider, stage: 'consent', outcome: 'recorded' }, 'signal');
    }
    for (const change of changes) this.metrics.changed(change);
    if (changes.length > 0) this.wake.committed();
    return signals.map(({ person }) => open.get(personKey(person)) ?? []);
  }
}
