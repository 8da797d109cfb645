import type { Clock } from '@posthorn/clock/clock.js';
import { parseId } from '@posthorn/clock/id.js';
import type { ConfigChange, EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { LoggedEvent } from '../domain/project-event.js';
import type { ParkedRead, WaitingSource } from '../persistence/parked.store.js';

const REFRESH_INTERVAL_MS = 1_000;
const PER_SOURCE_MAX = 64;
const EVENTS_MAX = 512;
/** Sources served in one step. */
const SOURCES_MAX = 64;

/** Events that waited, and the sources of which none is left behind them. */
export interface Released {
  readonly events: readonly LoggedEvent[];
  readonly emptied: readonly WaitingSource[];
}

/**
 * Knows whose events wait instead of being projected: those of paused sources, and those behind events that wait.
 * Intake goes on storing; the other sources of the lane go on too, because the cursor passes what waits.
 * Before the first snapshot nothing is released: who waited was paused, and may be still.
 */
export class PausedSources {
  private readonly paused = new Set<string>();
  private readonly waiting = new Map<string, WaitingSource>();
  private refreshedAtMs = -Infinity;
  private turn = 0;

  constructor(
    private readonly read: Pick<ParkedRead, 'sources' | 'next'>,
    private readonly edge: Pick<EdgeConfig, 'source' | 'isReady' | 'onChange'>,
    private readonly clock: Clock,
  ) {
    edge.onChange((change) => this.apply(change));
  }

  /** Reads what waits. @param isForced for lanes that were somebody else's. */
  async refresh(isForced = false): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    if (!isForced && nowMs - this.refreshedAtMs < REFRESH_INTERVAL_MS) return;
    const sources = await this.read.sources();
    this.refreshedAtMs = nowMs;
    this.waiting.clear();
    for (const source of sources) this.waiting.set(nameOf(source), source);
  }

  /** The same events; those that have to wait say so. Costs nothing while no source is paused. */
  mark(events: readonly LoggedEvent[]): readonly LoggedEvent[] {
    if (this.paused.size + this.waiting.size === 0) return events;
    return events.map((event) => {
      const name = nameOf(event);
      if (!this.paused.has(nameOfSource(event)) && !this.waiting.has(name)) return event;
      this.waiting.set(name, { shard: event.shard, sourceId: event.sourceId });
      return { ...event, parking: 'in' as const };
    });
  }

  /** The next events that need not wait any more. @param isHeld whether a lane is ours. */
  async release(isHeld: (shard: number) => boolean): Promise<Released> {
    if (this.waiting.size === 0 || !this.edge.isReady) return NOTHING;
    const ready = [...this.waiting.values()].filter(
      (source) => isHeld(source.shard) && !this.paused.has(nameOfSource(source)),
    );
    if (ready.length === 0) return NOTHING;
    // Other sources come first each time, so that none waits behind a long backlog.
    const start = this.turn++ % ready.length;
    const sources = [...ready.slice(start), ...ready.slice(0, start)].slice(0, SOURCES_MAX);
    const events = await this.read.next(sources, PER_SOURCE_MAX, EVENTS_MAX);
    if (events.length === EVENTS_MAX) return { events, emptied: [] };
    const counts = new Map<string, number>();
    for (const event of events) counts.set(nameOf(event), (counts.get(nameOf(event)) ?? 0) + 1);
    return {
      events,
      emptied: sources.filter((source) => (counts.get(nameOf(source)) ?? 0) < PER_SOURCE_MAX),
    };
  }

  /** Called when released events are committed. */
  released({ emptied }: Released): void {
    for (const source of emptied) this.waiting.delete(nameOf(source));
  }

  private apply({ sources }: ConfigChange): void {
    for (const id of sources) {
      const name = parseId('src', id)?.toString('latin1') ?? '';
      if (this.edge.source(id)?.isPaused === true) this.paused.add(name);
      else this.paused.delete(name);
    }
  }
}

const nameOfSource = ({ sourceId }: Pick<WaitingSource, 'sourceId'>): string => sourceId.toString('latin1');
const nameOf = (source: WaitingSource): string => `${source.shard}:${nameOfSource(source)}`;

const NOTHING: Released = { events: [], emptied: [] };
