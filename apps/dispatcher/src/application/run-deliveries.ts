import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, parseId, uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig, EdgeDestination } from '@posthorn/edge-config/edge-config.js';
import type { Logger } from '@posthorn/server/logger.js';
import { beganAtMs, type Delivery, OPT_OUT_TYPE } from '../domain/delivery.js';
import { FairQueue } from '../domain/fair-queue.js';
import { type AttemptResult, isGone, judge, type Verdict } from '../domain/retry-policy.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { Outcome } from '../persistence/delivery.store.js';
import { DestinationGate } from './destination-gate.js';
import type { DeliveryLimits } from './delivery-limits.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { DueLine } from './load-due.js';
import type { RecordOutcomes } from './record-outcomes.js';
import type { SendWebhook } from './send-webhook.js';

const MS_PER_SECOND = 1_000;
/** Whoever had no room has some again once half of it is free. */
const ROOM_SHARE = 0.5;
const CANCELED: Verdict = { state: 'canceled', nextAttemptAtMs: undefined };
const DEAD: Verdict = { state: 'dead', nextAttemptAtMs: undefined };

/**
 * Makes the deliveries that are in memory: fairly over tenants, as many at once as destinations and process
 * allow, each once. A delivery is in memory from `offer` until its outcome is committed.
 */
export class RunDeliveries implements DueLine<Delivery> {
  private readonly inMemory = new Map<string, Delivery>();
  private readonly queue = new FairQueue<Delivery>();
  private readonly gates = new Map<string, DestinationGate>();
  private readonly tenantsInFlight = new Map<string, number>();
  /** Suspended tenants, by key. */
  private readonly suspended = new Set<string>();
  private readonly refused = new Set<string>();
  private readonly roomListeners: (() => void)[] = [];
  private finished: Set<string> | undefined;
  private inFlight = 0;
  private isStopped = false;

  constructor(
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'destination' | 'tenant' | 'onChange'>,
    private readonly leases: Pick<DeliveryLeases, 'held' | 'onChange'>,
    private readonly webhooks: Pick<SendWebhook, 'deliver'>,
    private readonly outcomes: RecordOutcomes,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: DeliveryMetrics,
    private readonly limits: DeliveryLimits,
  ) {
    outcomes.onRecorded((done, released) => this.onRecorded(done, released));
    leases.onChange((_gained, lost) => this.onLost(lost));
    edge.onChange(({ tenants, destinations }) => this.onChanged(tenants, destinations));
  }

  /** Whether it is in memory. @param key of the delivery. */
  has(key: string): boolean {
    return this.inMemory.has(key);
  }

  /** How many more find room at most. */
  get room(): number {
    return this.isStopped || !this.edge.isReady ? 0 : this.limits.inMemoryMax - this.inMemory.size;
  }

  /** Destinations (UUID text) that have as much in memory as they may. */
  fullLanes(): string[] {
    for (const id of this.refused) if (this.hasRoomAgain(id)) this.refused.delete(id);
    return [...this.refused].flatMap((id) => this.gates.get(id)?.destinationUuid ?? []);
  }

  get depths(): { waiting: number; inFlight: number; outcomes: number; breakers: number } {
    let breakers = 0;
    for (const { breaker } of this.gates.values()) if (breaker.isOpen) breakers += 1;
    return { waiting: this.queue.size, inFlight: this.inFlight, outcomes: this.outcomes.depth, breakers };
  }

  /** Called when a destination that was full has room again. */
  onRoom(listener: () => void): void {
    this.roomListeners.push(listener);
  }

  /**
   * From here until `endLoad` the keys of what is finished are kept: a page that was read before a
   * commit must not bring back what that commit finished.
   */
  beginLoad(): void {
    this.finished = new Set();
  }

  endLoad(): void {
    this.finished = undefined;
  }

  /** Takes deliveries that are committed and due. Those without room stay in the store. @returns how many it took. */
  offer(deliveries: readonly Delivery[]): number {
    let taken = 0;
    for (const delivery of deliveries) if (this.take(delivery)) taken += 1;
    this.pump();
    return taken;
  }

  /** Starts nothing new; resolves when all that was under way is back, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.isStopped = true;
    for (const gate of this.gates.values()) clearTimeout(gate.timer);
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    while (this.inFlight > 0 && this.clock.monotonicMs() < deadlineMs) {
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  private take(delivery: Delivery): boolean {
    const { key, destinationId } = delivery;
    if (this.room <= 0 || this.inMemory.has(key) || this.finished?.has(key)) return false;
    const gate = this.gateOf(delivery);
    if (this.share(destinationId, gate) >= 1) {
      this.refused.add(destinationId);
      return false;
    }
    this.inMemory.set(key, delivery);
    this.queue.push(gate.tenantKey, destinationId, delivery);
    return true;
  }

  private pump(): void {
    const { inFlightMax, outcomesWaitingMax } = this.limits;
    if (this.isStopped || !this.edge.isReady) return;
    while (this.inFlight < inFlightMax && this.outcomes.depth < outcomesWaitingMax) {
      const delivery = this.queue.take();
      if (delivery === undefined) return;
      this.start(delivery);
      this.announceRoom(delivery.destinationId);
    }
  }

  private start(delivery: Delivery): void {
    if (!this.isMine(delivery)) return void this.inMemory.delete(delivery.key);
    const destination = this.usable(delivery.destinationId);
    const slug = this.edge.tenant(formatId('ten', delivery.tenantId))?.slug;
    if (destination === undefined || slug === undefined)
      return this.conclude(delivery, undefined, this.verdictWithout(delivery.destinationId));
    const gate = this.gateOf(delivery);
    gate.learn(destination);
    const nowMs = this.clock.monotonicMs();
    gate.onStart(nowMs, destination);
    this.countTenant(gate.tenantKey, 1);
    this.inFlight += 1;
    this.refreshGate(delivery.destinationId, gate);
    void this.webhooks
      .deliver(delivery, destination, slug)
      .then((result) => this.onResult(delivery, destination, gate, result));
  }

  private onResult(
    delivery: Delivery,
    destination: EdgeDestination,
    gate: DestinationGate,
    result: AttemptResult,
  ): void {
    this.inFlight -= 1;
    this.countTenant(gate.tenantKey, -1);
    const { destinationId } = delivery;
    const { generation } = destination;
    if (gate.onResult(this.clock.monotonicMs(), result, generation)) {
      this.log.warn(
        { destinationId, outcome: result.outcome, status: result.status },
        'a destination fails: paused',
      );
    }
    const limits = {
      maxAttempts: destination.maxAttempts,
      maxAgeMs: destination.maxAgeSeconds * MS_PER_SECOND,
    };
    const nowMs = this.clock.nowMs();
    const verdict = judge(delivery, result, limits, this.limits.retry, nowMs, Math.random());
    if (isGone(result.status))
      this.log.warn({ destinationId, status: result.status }, 'a destination is gone');
    this.conclude(delivery, result, verdict, generation);
    this.refreshGate(destinationId, gate);
    this.pump();
  }

  private conclude(
    delivery: Delivery,
    attempt: AttemptResult | undefined,
    verdict: Verdict,
    generation = 0,
  ): void {
    this.metrics.onDeliveries(verdict.state);
    if (verdict.state !== 'succeeded') this.logUnsuccessful(delivery, attempt, verdict);
    else if (delivery.fact.type === OPT_OUT_TYPE) this.measureOptOut(delivery);
    this.outcomes.add({ delivery, attempt, verdict, generation });
  }

  private measureOptOut({ fact, attemptCount }: Delivery): void {
    this.metrics.onOptOutDelivered(this.clock.nowMs() - beganAtMs(fact), fact.channel, attemptCount === 0);
  }

  private logUnsuccessful(delivery: Delivery, attempt: AttemptResult | undefined, verdict: Verdict): void {
    const fields = {
      tenantId: formatId('ten', delivery.tenantId),
      destinationId: delivery.destinationId,
      deliveryId: formatId('dlv', delivery.deliveryId),
      factId: formatId('fct', delivery.fact.factId),
      state: verdict.state,
      attempt: delivery.attemptCount + (attempt === undefined ? 0 : 1),
      outcome: attempt?.outcome,
      status: attempt?.status,
      durationMs: attempt?.durationMs,
    };
    if (verdict.state === 'dead') this.log.warn(fields, 'a delivery is dead');
    else this.log.debug(fields, 'a delivery was not taken');
  }

  private onRecorded(done: readonly Outcome[], released: readonly Delivery[]): void {
    for (const { delivery, attempt, generation } of done) {
      this.inMemory.delete(delivery.key);
      this.finished?.add(delivery.key);
      if (generation > 0 && attempt !== undefined && isGone(attempt.status))
        this.holdGone(delivery, generation);
    }
    // One that comes back by a release was read after the commit: it is not what a page before it showed.
    for (const { key } of released) this.finished?.delete(key);
    this.offer(released);
  }

  private holdGone({ destinationId }: Delivery, generation: number): void {
    const gate = this.gates.get(destinationId);
    gate?.onGone(generation);
    if (gate !== undefined) this.refreshGate(destinationId, gate);
  }

  private onLost(shards: readonly number[]): void {
    const lost = new Set(shards);
    for (const { key } of this.queue.removeWhere((item) => lost.has(item.shard) && !this.isMine(item))) {
      this.inMemory.delete(key);
    }
    this.pump();
  }

  private onChanged(tenantIds: readonly string[], destinationIds: readonly string[]): void {
    for (const id of tenantIds) this.learnTenant(id);
    for (const id of destinationIds) {
      const gate = this.gates.get(id);
      if (gate !== undefined) this.refreshGate(id, gate);
    }
    this.pump();
  }

  private isMine = ({ shard, leaseEpoch }: Delivery): boolean => this.leases.held().get(shard) === leaseEpoch;

  private usable(destinationId: string): EdgeDestination | undefined {
    const destination = this.edge.destination(destinationId);
    return destination?.status === 'active' ? destination : undefined;
  }

  /** What was for a destination that is no more is canceled; what is for a disabled one can be sent again later. */
  private verdictWithout(destinationId: string): Verdict {
    return this.edge.destination(destinationId)?.status === 'disabled' ? DEAD : CANCELED;
  }

  private gateOf({ destinationId, destinationUuid, tenantId }: Delivery): DestinationGate {
    let gate = this.gates.get(destinationId);
    if (gate === undefined) {
      if (this.gates.size >= this.limits.gatesMax) this.forgetIdleGates();
      gate = new DestinationGate(tenantId.toString('hex'), uuidText(destinationUuid));
      this.gates.set(destinationId, gate);
    }
    return gate;
  }

  private forgetIdleGates(): void {
    for (const [id, { inFlight, timer, breaker }] of this.gates) {
      const isIdle = inFlight === 0 && timer === undefined && breaker.isFresh;
      if (isIdle && this.queue.laneSize(id) === 0 && !this.refused.has(id)) this.gates.delete(id);
    }
  }

  /** Lets a destination's lane go on, or holds it back until something comes back or a moment has come. */
  private refreshGate(destinationId: string, gate: DestinationGate): void {
    const destination = this.usable(destinationId);
    if (destination !== undefined) gate.learn(destination);
    // Nothing holds a destination back that is no more, or disabled: its deliveries end.
    const waitMs = destination === undefined ? 0 : gate.waitMs(this.clock.monotonicMs(), destination);
    this.queue.setLaneBlocked(gate.tenantKey, destinationId, waitMs > 0);
    if (waitMs === 0 || waitMs === Infinity || gate.timer !== undefined || this.isStopped) return;
    gate.timer = setTimeout(() => {
      gate.timer = undefined;
      this.buryExpired(destinationId);
      this.refreshGate(destinationId, gate);
      this.pump();
    }, waitMs);
  }

  /** What grew too old behind a breaker is dead without another attempt. */
  private buryExpired(destinationId: string): void {
    const destination = this.usable(destinationId);
    if (destination === undefined) return;
    const oldestMs = this.clock.nowMs() - destination.maxAgeSeconds * MS_PER_SECOND;
    const expired = this.queue.removeWhere((item) => item.roundStartedAtMs < oldestMs, destinationId);
    for (const delivery of expired) this.conclude(delivery, undefined, DEAD);
  }

  private countTenant(tenantKey: string, change: 1 | -1): void {
    const count = (this.tenantsInFlight.get(tenantKey) ?? 0) + change;
    if (count === 0) this.tenantsInFlight.delete(tenantKey);
    else this.tenantsInFlight.set(tenantKey, count);
    this.refreshTenant(tenantKey);
  }

  /** What is for a suspended tenant waits until it is one no more. The first snapshot is a change, too. */
  private learnTenant(id: string): void {
    const tenantKey = parseId('ten', id)!.toString('hex');
    if (this.edge.tenant(id)?.isSuspended === true) this.suspended.add(tenantKey);
    else this.suspended.delete(tenantKey);
    this.refreshTenant(tenantKey);
  }

  /** @param tenantKey its UUID in hex. */
  private refreshTenant(tenantKey: string): void {
    const isFull = (this.tenantsInFlight.get(tenantKey) ?? 0) >= this.limits.tenantInFlightMax;
    this.queue.setTenantBlocked(tenantKey, isFull || this.suspended.has(tenantKey));
  }

  /** How much of what a destination and its tenant may have in memory they have: 1 = all. */
  private share(destinationId: string, { breaker, tenantKey }: DestinationGate): number {
    const { destinationWaitingMax, pausedWaitingMax, tenantWaitingMax } = this.limits;
    const ofDestination =
      this.queue.laneSize(destinationId) / (breaker.isOpen ? pausedWaitingMax : destinationWaitingMax);
    return Math.max(ofDestination, this.queue.tenantSize(tenantKey) / tenantWaitingMax);
  }

  private hasRoomAgain(destinationId: string): boolean {
    const gate = this.gates.get(destinationId);
    return gate === undefined || this.share(destinationId, gate) <= ROOM_SHARE;
  }

  private announceRoom(destinationId: string): void {
    if (!this.refused.has(destinationId) || !this.hasRoomAgain(destinationId)) return;
    this.refused.delete(destinationId);
    for (const listener of this.roomListeners) listener();
  }
}
