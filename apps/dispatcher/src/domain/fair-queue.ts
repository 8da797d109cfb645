import { Fifo } from './fifo.js';

interface Lane<Item> {
  readonly id: string;
  readonly tenant: Tenant<Item>;
  readonly items: Fifo<Item>;
  isBlocked: boolean;
}

interface Tenant<Item> {
  readonly id: string;
  /** Lanes that have something to give and are not blocked; the map's order is whose turn it is. */
  readonly ready: Map<string, Lane<Item>>;
  size: number;
  laneCount: number;
  deficit: number;
  isBlocked: boolean;
}

/** Items a tenant may take before it is the next one's turn. */
const QUANTUM = 4;

/**
 * Deficit round robin over tenants, round robin over the lanes of a tenant, first in first out in a lane.
 * Promise: between two turns of a tenant that has something ready, each other tenant takes at most one
 * quantum, however much it has waiting. Every operation but `removeWhere` takes constant time.
 * Source: Shreedhar and Varghese, "Efficient Fair Queuing using Deficit Round Robin", 1995.
 */
export class FairQueue<Item> {
  private readonly lanes = new Map<string, Lane<Item>>();
  private readonly tenants = new Map<string, Tenant<Item>>();
  /** Tenants with a ready lane that are not blocked; the first one's turn it is. */
  private readonly active = new Map<string, Tenant<Item>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  laneSize(laneId: string): number {
    return this.lanes.get(laneId)?.items.size ?? 0;
  }

  tenantSize(tenantId: string): number {
    return this.tenants.get(tenantId)?.size ?? 0;
  }

  /** @param laneId belongs to one tenant for ever. */
  push(tenantId: string, laneId: string, item: Item): void {
    const lane = this.laneOf(tenantId, laneId);
    lane.items.push(item);
    lane.tenant.size += 1;
    this.count += 1;
    this.refresh(lane);
  }

  /** The next item of a lane and a tenant that are not blocked. */
  take(): Item | undefined {
    for (const tenant of this.active.values()) {
      if (tenant.deficit < 1) tenant.deficit += QUANTUM; // its turn begins
      const lane = tenant.ready.values().next().value!;
      const item = lane.items.shift()!;
      tenant.size -= 1;
      tenant.deficit -= 1;
      this.count -= 1;
      tenant.ready.delete(lane.id);
      this.refresh(lane);
      if (tenant.deficit < 1 && this.active.delete(tenant.id)) this.activate(tenant);
      return item;
    }
    return undefined;
  }

  /** Holds a lane back, or lets it go on. */
  setLaneBlocked(tenantId: string, laneId: string, isBlocked: boolean): void {
    const lane = isBlocked ? this.laneOf(tenantId, laneId) : this.lanes.get(laneId);
    if (lane === undefined || lane.isBlocked === isBlocked) return;
    lane.isBlocked = isBlocked;
    this.refresh(lane);
  }

  /** Holds all lanes of a tenant back, or lets them go on. */
  setTenantBlocked(tenantId: string, isBlocked: boolean): void {
    const tenant = isBlocked ? this.tenantOf(tenantId) : this.tenants.get(tenantId);
    if (tenant === undefined || tenant.isBlocked === isBlocked) return;
    tenant.isBlocked = isBlocked;
    if (isBlocked) this.active.delete(tenantId);
    else this.activate(tenant);
    this.forgetTenant(tenant);
  }

  /** Takes out of one lane, or of all, what the test names. @returns it, oldest first within a lane. */
  removeWhere(test: (item: Item) => boolean, laneId?: string): Item[] {
    const removed: Item[] = [];
    const lanes = laneId === undefined ? [...this.lanes.values()] : [this.lanes.get(laneId)];
    for (const lane of lanes) {
      if (lane === undefined) continue;
      const before = removed.length;
      removed.push(...lane.items.removeWhere(test));
      const count = removed.length - before;
      lane.tenant.size -= count;
      this.count -= count;
      this.refresh(lane);
    }
    return removed;
  }

  private laneOf(tenantId: string, laneId: string): Lane<Item> {
    let lane = this.lanes.get(laneId);
    if (lane === undefined) {
      lane = { id: laneId, tenant: this.tenantOf(tenantId), items: new Fifo(), isBlocked: false };
      this.lanes.set(laneId, lane);
      lane.tenant.laneCount += 1;
    }
    return lane;
  }

  private tenantOf(tenantId: string): Tenant<Item> {
    let tenant = this.tenants.get(tenantId);
    if (tenant === undefined) {
      tenant = { id: tenantId, ready: new Map(), size: 0, laneCount: 0, deficit: 0, isBlocked: false };
      this.tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  /** Puts a lane where its contents and its block say, and forgets what says nothing any more. */
  private refresh(lane: Lane<Item>): void {
    const { tenant } = lane;
    const isReady = lane.items.size > 0 && !lane.isBlocked;
    if (!isReady) tenant.ready.delete(lane.id);
    else if (!tenant.ready.has(lane.id)) tenant.ready.set(lane.id, lane);
    if (tenant.ready.size === 0) {
      this.active.delete(tenant.id);
      tenant.deficit = 0;
    } else this.activate(tenant);
    if (lane.items.size === 0 && !lane.isBlocked && this.lanes.delete(lane.id)) tenant.laneCount -= 1;
    this.forgetTenant(tenant);
  }

  private activate(tenant: Tenant<Item>): void {
    if (tenant.ready.size > 0 && !tenant.isBlocked) this.active.set(tenant.id, tenant);
  }

  private forgetTenant(tenant: Tenant<Item>): void {
    if (tenant.laneCount === 0 && !tenant.isBlocked) this.tenants.delete(tenant.id);
  }
}
