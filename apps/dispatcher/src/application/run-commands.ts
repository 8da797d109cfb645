import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type Command } from '../domain/command.js';
import { moveOf } from '../domain/command-change.js';
import { nextStep } from '../domain/command-step.js';
import { FairQueue } from '../domain/fair-queue.js';
import { TokenBucket } from '../domain/token-bucket.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { CommandLimits } from './command-limits.js';
import type { FindOutcome } from './find-outcome.js';
import type { DueLine } from './load-due.js';
import type { RecordCommands } from './record-commands.js';
import type { SendCommand } from './send-command.js';
import type { SendRoutes } from './send-routes.js';

const STOP_POLL_MS = 10;
/** Where a source has none of its own and its provider is not known. */
const RATE_DEFAULT = 10;

/** What goes through one source, or is found out about what went. */
interface Lane {
  readonly sourceUuid: string;
  readonly bucket: TokenBucket;
  inFlight: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Works on the commands that are in memory: fairly over tenants, no faster than each source may, apart from
 * deliveries. A command is in memory from `offer` until what became of it is committed.
 */
export class RunCommands implements DueLine<Command> {
  private readonly inMemory = new Map<string, Command>();
  private readonly queue = new FairQueue<Command>();
  private readonly lanes = new Map<string, Lane>();
  private readonly tenantsInFlight = new Map<string, number>();
  /** Sources that had no room, or are paused. */
  private readonly refused = new Map<string, Command>();
  private readonly roomListeners: (() => void)[] = [];
  private finished: Set<string> | undefined;
  private inFlight = 0;
  private isStopped = false;

  constructor(
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'onChange'>,
    private readonly leases: Pick<DeliveryLeases, 'held' | 'onChange'>,
    private readonly routes: Pick<SendRoutes, 'isHeld' | 'ratePerSecond'>,
    private readonly sends: Pick<SendCommand, 'run' | 'places'>,
    private readonly outcomes: Pick<FindOutcome, 'settle' | 'ask'>,
    private readonly record: Pick<RecordCommands, 'settle'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly limits: CommandLimits,
  ) {
    leases.onChange((_gained, lost) => this.onLost(lost));
    edge.onChange(() => this.announceRoom());
  }

  get room(): number {
    return this.isStopped || !this.edge.isReady ? 0 : this.limits.inMemoryMax - this.inMemory.size;
  }

  get depths(): { waiting: number; inFlight: number; places: number } {
    return { waiting: this.queue.size, inFlight: this.inFlight, places: this.sends.places };
  }

  /** Sources (UUID text) through which nothing more is sent for now. */
  fullLanes(): string[] {
    for (const [id, command] of this.refused) if (!this.isFull(command)) this.refused.delete(id);
    return [...this.refused.values()].map(({ sourceUuid }) => uuidText(sourceUuid));
  }

  onRoom(listener: () => void): void {
    this.roomListeners.push(listener);
  }

  beginLoad(): void {
    this.finished = new Set();
  }

  endLoad(): void {
    this.finished = undefined;
  }

  /** Takes commands that are committed and due. Those without room stay in the store. */
  offer(commands: readonly Command[]): void {
    for (const command of commands) this.take(command);
    this.pump();
  }

  /** Starts nothing new; resolves when all that was under way is back, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.isStopped = true;
    for (const { timer } of this.lanes.values()) clearTimeout(timer);
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    while (this.inFlight > 0 && this.clock.monotonicMs() < deadlineMs) {
      await new Promise((done) => setTimeout(done, STOP_POLL_MS));
    }
  }

  private take(command: Command): void {
    const { key, sourceId } = command;
    if (this.room <= 0 || this.inMemory.has(key) || this.finished?.has(key)) return;
    if (this.isSend(command) && this.isFull(command)) return void this.refused.set(sourceId, command);
    this.inMemory.set(key, command);
    this.queue.push(tenantKeyOf(command), this.laneIdOf(command), command);
  }

  private pump(): void {
    if (this.isStopped || !this.edge.isReady) return;
    while (this.inFlight < this.limits.inFlightMax) {
      const command = this.queue.take();
      if (command === undefined) return;
      this.start(command);
    }
  }

  private start(command: Command): void {
    const isSend = this.isSend(command);
    if (this.leases.held().get(command.shard) !== command.leaseEpoch) return this.forget(command);
    if (isSend && this.routes.isHeld(command)) {
      this.refused.set(command.sourceId, command);
      return this.forget(command);
    }
    const laneId = this.laneIdOf(command);
    const lane = this.laneOf(laneId, command);
    lane.inFlight += 1;
    if (isSend) lane.bucket.take(this.clock.monotonicMs(), this.rateOf(command));
    this.inFlight += 1;
    this.countTenant(command, 1);
    this.refreshLane(laneId, lane, command);
    void this.work(command).finally(() => {
      this.finished?.add(command.key);
      this.forget(command);
      lane.inFlight -= 1;
      this.inFlight -= 1;
      this.countTenant(command, -1);
      this.refreshLane(laneId, lane, command);
      this.announceRoom();
      this.pump();
    });
  }

  private async work(command: Command): Promise<void> {
    try {
      switch (nextStep(command, this.clock.nowMs())) {
        case 'settle':
          return await this.outcomes.settle(command);
        case 'ask':
          return await this.outcomes.ask(command);
        case 'expire':
          return void (await this.record.settle(
            moveOf(command, 'expired', { errorCode: 'message.expired' }),
          ));
        case 'send':
          return await this.sends.run(command);
      }
    } catch (err) {
      // It is where it was, or settles once it is due: the next look at the store finds it.
      this.log.warn(
        { stage: 'command', sourceId: command.sourceId, err },
        'a command could not be worked on',
      );
    }
  }

  private isSend = (command: Command): boolean => nextStep(command, this.clock.nowMs()) === 'send';

  /** What sends nothing needs no room of its source, and does not wait for its rate. */
  private laneIdOf = (command: Command): string =>
    this.isSend(command) ? command.sourceId : `${tenantKeyOf(command)}/outcomes`;

  private isFull = (command: Command): boolean =>
    this.routes.isHeld(command) || this.queue.laneSize(command.sourceId) >= this.limits.sourceWaitingMax;

  private rateOf = ({ sourceId }: Command): number => this.routes.ratePerSecond(sourceId) ?? RATE_DEFAULT;

  private laneOf(id: string, { sourceUuid }: Command): Lane {
    let lane = this.lanes.get(id);
    if (lane === undefined) {
      if (this.lanes.size >= this.limits.lanesMax) this.forgetIdleLanes();
      lane = { sourceUuid: uuidText(sourceUuid), bucket: new TokenBucket(), inFlight: 0, timer: undefined };
      this.lanes.set(id, lane);
    }
    return lane;
  }

  private forgetIdleLanes(): void {
    for (const [id, { inFlight, timer }] of this.lanes) {
      if (inFlight === 0 && timer === undefined && this.queue.laneSize(id) === 0) this.lanes.delete(id);
    }
  }

  /** Lets a lane go on, or holds it back until something comes back or its rate allows the next. */
  private refreshLane(id: string, lane: Lane, command: Command): void {
    const isBusy = lane.inFlight >= this.limits.sourceInFlightMax;
    const isSend = id === command.sourceId;
    const waitMs = isSend ? lane.bucket.waitMs(this.clock.monotonicMs(), this.rateOf(command)) : 0;
    this.queue.setLaneBlocked(tenantKeyOf(command), id, isBusy || waitMs > 0);
    if (isBusy || waitMs === 0 || lane.timer !== undefined || this.isStopped) return;
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      this.refreshLane(id, lane, command);
      this.pump();
    }, waitMs);
  }

  private countTenant(command: Command, change: 1 | -1): void {
    const key = tenantKeyOf(command);
    const count = (this.tenantsInFlight.get(key) ?? 0) + change;
    if (count === 0) this.tenantsInFlight.delete(key);
    else this.tenantsInFlight.set(key, count);
    this.queue.setTenantBlocked(key, count >= this.limits.tenantInFlightMax);
  }

  private forget({ key }: Command): void {
    this.inMemory.delete(key);
  }

  private onLost(shards: readonly number[]): void {
    const lost = new Set(shards);
    for (const command of this.queue.removeWhere(({ shard }) => lost.has(shard))) this.forget(command);
  }

  private announceRoom(): void {
    if (this.refused.size === 0 || [...this.refused.values()].every(this.isFull)) return;
    for (const listener of this.roomListeners) listener();
  }
}

const tenantKeyOf = ({ tenantId }: Command): string => tenantId.toString('hex');
