import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { ConfigChange, EdgeSource } from '@posthorn/edge-config/edge-config.js';
import fc from 'fast-check';
import type { LoggedEvent } from '../domain/project-event.js';
import { PausedSources } from './paused-sources.js';

const LANE = 5;
const SOURCES = [newUuid(1), newUuid(2), newUuid(3)] as const;

/** A lane whose events are projected, or wait, as PausedSources says; the far ends by hand. */
class Lane {
  readonly projected: LoggedEvent[] = [];
  readonly stored: LoggedEvent[] = [];
  private arrived: LoggedEvent[] = [];
  private parked: LoggedEvent[] = [];
  private readonly pausedIds = new Set<string>();
  private readonly listeners: ((change: ConfigChange) => void)[] = [];
  private readonly clock = new FakeClock();
  private paused = this.start();

  private start(): PausedSources {
    const edge = {
      isReady: true,
      source: (id: string) => ({ isPaused: this.pausedIds.has(id) }) as EdgeSource,
      onChange: (listener: (change: ConfigChange) => void) => void this.listeners.push(listener),
    };
    const read = {
      sources: async () => this.parked.map(({ shard, sourceId }) => ({ shard, sourceId })),
      next: async (sources: readonly { sourceId: Buffer }[], perSourceMax: number, eventsMax: number) =>
        sources
          .flatMap(({ sourceId }) =>
            this.parked.filter((event) => event.sourceId.equals(sourceId)).slice(0, perSourceMax),
          )
          .slice(0, eventsMax),
    };
    const paused = new PausedSources(read, edge, this.clock);
    for (const source of SOURCES) this.tell(source);
    return paused;
  }

  /** Another worker takes the lane: it knows what the tables say and what tenants tells. */
  async restart(): Promise<void> {
    this.listeners.length = 0;
    this.paused = this.start();
    await this.paused.refresh(true);
  }

  set(source: Buffer, isPaused: boolean): void {
    if (isPaused) this.pausedIds.add(formatId('src', source));
    else this.pausedIds.delete(formatId('src', source));
    this.tell(source);
  }

  arrive(sourceId: Buffer): void {
    const event = { shard: LANE, sourceId, position: BigInt(this.stored.length) } as LoggedEvent;
    this.stored.push(event);
    this.arrived.push(event);
  }

  async step(): Promise<void> {
    this.clock.advance(300);
    await this.paused.refresh();
    for (const event of this.paused.mark(this.arrived)) {
      if (event.parking === 'in') this.parked.push(event);
      else this.projected.push(event);
    }
    this.arrived = [];
    const released = await this.paused.release((shard) => shard === LANE);
    this.projected.push(...released.events);
    const gone = new Set(released.events.map(({ position }) => position));
    this.parked = this.parked.filter(({ position }) => !gone.has(position));
    this.paused.released(released);
  }

  private tell(source: Buffer): void {
    const change = {
      tenants: [],
      sources: [formatId('src', source)],
      destinations: [],
      isPlatformChanged: false,
    };
    for (const listener of this.listeners) listener(change);
  }
}

const source = fc.integer({ min: 0, max: 2 });
const act = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      source,
      count: fc.integer({ min: 1, max: 90 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), source }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('step' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);
const ofSource = (events: readonly LoggedEvent[], sourceId: Buffer): bigint[] =>
  events.filter((event) => event.sourceId === sourceId).map(({ position }) => position);

test('I8 whatever pauses, resumes and restarts come: each source’s events are projected once, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const lane = new Lane();
      const pausedAt = new Map<Buffer, number>();
      for (const one of acts) {
        if (one.kind === 'step') await lane.step();
        else if (one.kind === 'restart') await lane.restart();
        else if (one.kind === 'arrive')
          for (let n = 0; n < one.count; n += 1) lane.arrive(SOURCES[one.source]!);
        else {
          lane.set(SOURCES[one.source]!, one.kind === 'pause');
          if (one.kind === 'resume') pausedAt.delete(SOURCES[one.source]!);
          else pausedAt.set(SOURCES[one.source]!, ofSource(lane.projected, SOURCES[one.source]!).length);
        }
        // While it is paused nothing of it is projected.
        for (const [paused, count] of pausedAt) expect(ofSource(lane.projected, paused)).toHaveLength(count);
      }
      for (const each of SOURCES) lane.set(each, false);
      for (let n = 0; n <= lane.stored.length; n += 1) await lane.step();
      for (const each of SOURCES) expect(ofSource(lane.projected, each)).toEqual(ofSource(lane.stored, each));
    }),
    { numRuns: 60 },
  );
});
