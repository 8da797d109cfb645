import type { Clock } from '@posthorn/clock/clock.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { LaneCursor } from '../domain/project-batch.js';
import { PAUSE_MS_MAX, pauseAfter } from '../domain/projection-pause.js';
import type { LogLeases } from '../persistence/log-leases.js';
import type { LogRead } from '../persistence/log.read.js';
import type { IntakePressure } from './intake-pressure.js';
import type { PausedSources } from './paused-sources.js';
import { isLeaseLost, type HeldLane, type ProjectEvents } from './project-events.js';
import type { ProjectionMetrics } from './projection-metrics.js';
import type { RelayFacts } from './relay-facts.js';
import type { Appended, Wake } from './wake.js';

const PER_LANE_MAX = 64;
const EVENTS_MAX = 512;
/** All lanes are looked at this often, whatever was or was not announced. */
const SWEEP_INTERVAL_MS = 250;
/** How soon to look again for what was committed, but stands behind an older transaction that still runs. */
const HORIZON_RETRY_MS_MIN = 1;
const HORIZON_RETRY_MS_MAX = 32;
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 1_000;
const MEASURE_INTERVAL_MS = 5_000;
const BEHIND_PER_LANE_MAX = 1_000;

/**
 * The loop that projects the lanes this process holds.
 * It knows from memory which lanes got events and up to which transaction, so it asks for those only; a sweep
 * over all lanes finds what other processes appended.
 */
export class FollowLog {
  private readonly lanes = new Map<number, HeldLane>();
  private databaseEpoch = '';
  /** Lane → transaction up to which it was announced to have events. */
  private readonly announced = new Map<number, { readonly xid: bigint; readonly untilMs: number }>();
  /** Lanes of which the last read did not bring everything. */
  private unfinished: readonly number[] = [];
  private isSweepDue = true;
  private sweptAtMs = 0;
  private measuredAtMs = 0;
  private failures = 0;
  private emptyReads = 0;
  /** Of the oldest event in the last step. */
  private backlogAgeMs = 0;
  /** The oldest that waited when that was measured, until a batch brings some: an open transaction holds it back. */
  private heldSinceMs: number | undefined;
  /** Something was announced since the last read began. */
  private isNews = false;
  private turn = 0;
  private isStopped = false;
  private running: Promise<void> = Promise.resolve();
  private rouse: (() => void) | undefined;

  constructor(
    private readonly leases: Pick<LogLeases, 'held' | 'onChange' | 'giveBack'>,
    private readonly read: Pick<LogRead, 'next' | 'cursors' | 'behind'>,
    private readonly project: Pick<ProjectEvents, 'run'>,
    private readonly paused: Pick<PausedSources, 'refresh' | 'mark' | 'release' | 'released'>,
    private readonly relay: Pick<RelayFacts, 'beat'>,
    private readonly intake: Pick<IntakePressure, 'pressure'>,
    wake: Pick<Wake, 'onWake'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly metrics: ProjectionMetrics,
  ) {
    wake.onWake((appended) => this.announce(appended));
    leases.onChange(() => this.announce(undefined));
  }

  onApplicationBootstrap(): void {
    this.relay.beat(() => ({ epoch: this.databaseEpoch, lanes: this.heads() }));
    this.running = this.loop();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    this.rouse?.();
    await this.running;
    await this.leases.giveBack();
  }

  /** Reads and projects once. @returns whether more is known to wait. */
  async step(): Promise<boolean> {
    const lanes = await this.lanesToRead();
    if (lanes.length > 0) await this.follow(lanes);
    const released = await this.release();
    return this.unfinished.length + released > 0;
  }

  private async follow(lanes: readonly LaneCursor[]): Promise<void> {
    await this.paused.refresh();
    const events = this.paused.mark(await this.read.next(lanes, PER_LANE_MAX, EVENTS_MAX));
    const oldest = events.reduce((min, { storedAtMs }) => Math.min(min, storedAtMs), Infinity);
    const ageMs = (): number => (events.length === 0 ? 0 : Math.max(0, this.clock.nowMs() - oldest));
    if (events.length > 0) this.heldSinceMs = undefined;
    // Before they are projected: where that fails time and again, the age is to grow.
    this.metrics.oldestSeconds.set(Math.max(ageMs(), this.heldMs()) / 1_000);
    if (events.length > 0) await this.project.run(this.databaseEpoch, this.lanes, events);
    const counts = new Map<number, number>();
    for (const { shard } of events) counts.set(shard, (counts.get(shard) ?? 0) + 1);
    const isCut = events.length === EVENTS_MAX;
    this.unfinished = lanes
      .map(({ shard }) => shard)
      .filter((shard) => isCut || counts.get(shard) === PER_LANE_MAX);
    this.forgetDone();
    this.emptyReads = events.length === 0 ? this.emptyReads + 1 : 0;
    this.backlogAgeMs = ageMs();
  }

  /** Projects events that waited beside the cursors. @returns how many. */
  private async release(): Promise<number> {
    const held = this.leases.held();
    const released = await this.paused.release((shard) => {
      const lane = this.lanes.get(shard);
      return lane !== undefined && lane.epoch === held.get(shard);
    });
    if (released.events.length > 0) await this.project.run(this.databaseEpoch, this.lanes, released.events);
    this.paused.released(released);
    return released.events.length;
  }

  private async loop(): Promise<void> {
    while (!this.isStopped) {
      try {
        this.isNews = false;
        const startMs = this.clock.monotonicMs();
        const hasMore = await this.step();
        this.failures = 0;
        await this.pause(this.clock.monotonicMs() - startMs, hasMore);
        if (!hasMore && !this.isNews) await this.rest(this.restMs());
        await this.measure();
      } catch (error) {
        await this.recover(error);
      }
    }
  }

  private async pause(tookMs: number, hasMore: boolean): Promise<void> {
    const { pressure } = this.intake;
    const pauseMs = pauseAfter({ tookMs, hasMore, backlogAgeMs: this.backlogAgeMs }, pressure);
    if (pressure === 'high') {
      const untilMs = this.clock.monotonicMs() + pauseMs;
      // It ends early when intake has caught up. What is announced meanwhile is what it waits for.
      while (!this.isStopped && this.intake.pressure === 'high' && this.clock.monotonicMs() < untilMs)
        await this.rest(PAUSE_MS_MAX);
    } else if (pauseMs > 0) {
      // Nothing that is announced meanwhile ends this one: it is what the pause waits for.
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Cursors in memory are right only as long as nothing went wrong. */
  private async recover(error: unknown): Promise<void> {
    this.lanes.clear();
    this.isSweepDue = true;
    this.failures += 1;
    this.metrics.failures.inc();
    if (!isLeaseLost(error)) this.log.warn({ stage: 'project', err: error }, 'events were not projected');
    await this.rest(Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.failures, 10)));
  }

  private announce(appended: Appended | undefined): void {
    if (appended === undefined) {
      this.isSweepDue = true;
    } else {
      const untilMs = this.clock.monotonicMs() + SWEEP_INTERVAL_MS;
      for (const shard of appended.shards) this.announced.set(shard, { xid: appended.xid, untilMs });
    }
    this.isNews = true;
    if (this.failures === 0) this.rouse?.();
  }

  private async lanesToRead(): Promise<LaneCursor[]> {
    const held = this.leases.held();
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.sweptAtMs >= SWEEP_INTERVAL_MS) this.isSweepDue = true;
    let shards: number[];
    if (this.isSweepDue) {
      this.isSweepDue = false;
      this.sweptAtMs = nowMs;
      for (const shard of this.lanes.keys()) if (!held.has(shard)) this.lanes.delete(shard);
      this.metrics.lanes.set(held.size);
      shards = [...held.keys()];
    } else {
      shards = [...new Set([...this.unfinished, ...this.announced.keys()])].filter((shard) =>
        held.has(shard),
      );
    }
    if (shards.length === 0) {
      this.announced.clear();
      this.unfinished = [];
      return [];
    }
    await this.load(shards, held);
    // Another lane comes first each time, so that none waits behind a busy one for ever.
    const start = this.turn++ % shards.length;
    return [...shards.slice(start), ...shards.slice(0, start)].flatMap(
      (shard) => this.lanes.get(shard)?.cursor ?? [],
    );
  }

  /** Reads the cursors of lanes that are new here, or came back under another lease. */
  private async load(shards: readonly number[], held: ReadonlyMap<number, bigint>): Promise<void> {
    const unknown = shards.filter((shard) => this.lanes.get(shard)?.epoch !== held.get(shard));
    if (unknown.length === 0) return;
    const [{ epoch, lanes }] = await Promise.all([this.read.cursors(unknown), this.paused.refresh(true)]);
    this.databaseEpoch = epoch;
    for (const cursor of lanes) this.lanes.set(cursor.shard, { epoch: held.get(cursor.shard)!, cursor });
  }

  private forgetDone(): void {
    const nowMs = this.clock.monotonicMs();
    for (const [shard, { xid, untilMs }] of this.announced) {
      const lane = this.lanes.get(shard);
      if (lane === undefined || lane.cursor.xid >= xid || untilMs <= nowMs) this.announced.delete(shard);
    }
  }

  private *heads(): Generator<LaneCursor> {
    const held = this.leases.held();
    for (const [shard, { epoch, cursor }] of this.lanes) if (held.get(shard) === epoch) yield cursor;
  }

  private restMs(): number {
    const untilSweepMs = Math.max(0, this.sweptAtMs + SWEEP_INTERVAL_MS - this.clock.monotonicMs());
    if (this.announced.size === 0) return untilSweepMs;
    const retryMs = Math.min(HORIZON_RETRY_MS_MAX, HORIZON_RETRY_MS_MIN * 2 ** Math.min(this.emptyReads, 10));
    return Math.min(untilSweepMs, retryMs);
  }

  private async rest(ms: number): Promise<void> {
    if (this.isStopped) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.rouse = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.rouse = undefined;
  }

  private async measure(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.measuredAtMs < MEASURE_INTERVAL_MS) return;
    this.measuredAtMs = nowMs;
    const cursors = Array.from(this.lanes.values(), ({ cursor }) => cursor);
    const { events, oldestAtMs } = await this.read.behind(cursors, BEHIND_PER_LANE_MAX);
    this.metrics.behind.set(events);
    this.heldSinceMs = oldestAtMs;
    this.metrics.oldestSeconds.set(this.heldMs() / 1_000);
  }

  private heldMs(): number {
    return this.heldSinceMs === undefined ? 0 : Math.max(0, this.clock.nowMs() - this.heldSinceMs);
  }
}
