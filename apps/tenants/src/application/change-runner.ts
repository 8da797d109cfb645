import { type Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Database, type Tx } from '@posthorn/postgres/database.js';
import { type Counter, type Metrics } from '@posthorn/server/metrics.js';
import { type Actor, PLATFORM_ID } from '../domain/actor.js';
import { type ConfigObject, KINDS_OF } from '../domain/config-kind.js';
import { type Tenant } from '../domain/tenant.js';
import { type AuditStore } from '../persistence/audit.store.js';
import { type ConfigChange, type ConfigStore } from '../persistence/config.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type AwaitConfirmations } from './await-confirmations.js';
import { type ConfigWake } from './config-wake.js';

/** Whether every watcher has confirmed a change. */
export interface Applied {
  /** 0 when the change touches nothing that anybody watches. */
  readonly version: bigint;
  /** `service/instance` of those that have not, after 2 s. */
  readonly pending: readonly string[];
}

/** A change under way: its transaction, and what is to be noted of it. */
export interface PlatformChange {
  readonly tx: Tx;
  readonly nowMs: number;
  /** @param target public ID. @param detail before and after, without secrets. @returns the entry's ID, UUID text. */
  audit(action: string, target: string, detail: object): string;
  /** Notes that watchers must hear of an object. */
  touch(object: ConfigObject, objectId: string): void;
}

/** A change of one tenant, which is locked. */
export interface Change extends PlatformChange {
  readonly tenant: Tenant;
}

/** Acts that take somebody's access away; many at once are a sign. */
const REVOCATIONS = [
  ...['operator_key.deleted', 'api_key.deleted', 'source.secret_revoked', 'destination.secret_revoked'],
] as const;

/** What every change has in common: one transaction with its audit entry and version, then the wait. */
export class ChangeRunner {
  private readonly acts: Counter;

  constructor(
    private readonly db: Database,
    private readonly tenants: TenantStore,
    private readonly audits: AuditStore,
    private readonly config: ConfigStore,
    private readonly confirmations: AwaitConfirmations,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.acts = metrics.counter({
      name: 'posthorn_configuration_changes_total',
      help: 'Changes of configuration that were committed, by action as in the audit log',
      labels: ['action'],
    });
    for (const action of REVOCATIONS) this.acts.inc({ action }, 0); // so that a rate is there before the first
  }

  /** Changes a tenant that is there. @param tenant ID or slug. @throws AppError `tenant.not_found` */
  run<T>(
    actor: Actor,
    tenant: string,
    work: (change: Change) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    return this.runWith(actor, (tx) => this.tenants.lock(tx, tenant), work);
  }

  /** Changes the tenant that `open` finds or makes. */
  runWith<T>(
    actor: Actor,
    open: (tx: Tx, nowMs: number) => Promise<Tenant>,
    work: (change: Change) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    return this.commit(actor, async (tx, nowMs, notes) => {
      const tenant = await open(tx, nowMs);
      notes.ownerId = tenant.tenantId;
      return work({ tx, tenant, nowMs, ...notes });
    });
  }

  /** Changes what belongs to no tenant. */
  runPlatform<T>(
    actor: Actor,
    work: (change: PlatformChange) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    return this.commit(actor, (tx, nowMs, notes) => work({ tx, nowMs, ...notes }));
  }

  private async commit<T>(
    actor: Actor,
    work: (tx: Tx, nowMs: number, notes: Notes) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    const touched: Pick<ConfigChange, 'object' | 'objectId'>[] = [];
    const { value, version, actions } = await this.db.transaction(async (tx) => {
      const nowMs = this.clock.nowMs();
      const entries: { auditId: string; action: string; target: string; detail: object }[] = [];
      const notes: Notes = {
        ownerId: PLATFORM_ID,
        audit: (action, target, detail) => {
          const auditId = uuidText(newUuid(nowMs));
          entries.push({ auditId, action, target, detail });
          return auditId;
        },
        touch: (object, objectId) => touched.push({ object, objectId }),
      };
      const result = await work(tx, nowMs, notes);
      const tenantId = notes.ownerId;
      for (const { auditId, action, target, detail } of entries) {
        const detailJson = JSON.stringify(detail);
        await this.audits.insert(tx, tenantId, { auditId, atMs: nowMs, actor, action, target, detailJson });
      }
      const noted = entries.map(({ action }) => action);
      if (touched.length === 0) return { value: result, version: 0n, actions: noted };
      const changes = touched.map((each) => ({ ...each, tenantId }));
      return { value: result, version: await this.config.bump(tx, changes), actions: noted };
    });
    for (const action of actions) this.acts.inc({ action });
    if (touched.length === 0) return { value, applied: { version, pending: [] } };
    this.wake.notify();
    const kinds = [...new Set(touched.flatMap(({ object }) => KINDS_OF[object]))];
    return { value, applied: { version, pending: await this.confirmations.run(version, kinds) } };
  }
}

/** What a change leaves behind, and in whose log. */
interface Notes extends Pick<PlatformChange, 'audit' | 'touch'> {
  ownerId: string;
}
