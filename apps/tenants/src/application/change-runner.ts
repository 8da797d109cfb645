import { type Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { type Database, type Tx } from '@posthorn/postgres/database.js';
import { type Actor } from '../domain/actor.js';
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

/** A change under way: its transaction, its tenant (locked), and what is to be noted of it. */
export interface Change {
  readonly tx: Tx;
  readonly tenant: Tenant;
  readonly nowMs: number;
  /** @param target public ID. @param detail before and after, without secrets. */
  audit(action: string, target: string, detail: object): void;
  /** Notes that watchers must hear of an object. */
  touch(object: ConfigObject, objectId: string): void;
}

/** What every change of a tenant has in common: one transaction with its audit entry and version, then the wait. */
export class ChangeRunner {
  constructor(
    private readonly db: Database,
    private readonly tenants: TenantStore,
    private readonly audits: AuditStore,
    private readonly config: ConfigStore,
    private readonly confirmations: AwaitConfirmations,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
  ) {}

  /** Changes a tenant that is there. @param tenant ID or slug. @throws AppError `tenant.not_found` */
  run<T>(
    actor: Actor,
    tenant: string,
    work: (change: Change) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    return this.runWith(actor, (tx) => this.tenants.lock(tx, tenant), work);
  }

  /** Changes the tenant that `open` finds or makes. */
  async runWith<T>(
    actor: Actor,
    open: (tx: Tx, nowMs: number) => Promise<Tenant>,
    work: (change: Change) => Promise<T>,
  ): Promise<{ value: T; applied: Applied }> {
    const touched: ConfigChange[] = [];
    const { value, version } = await this.db.transaction(async (tx) => {
      touched.length = 0;
      const nowMs = this.clock.nowMs();
      const tenant = await open(tx, nowMs);
      const { tenantId } = tenant;
      const entries: { action: string; target: string; detail: object }[] = [];
      const result = await work({
        tx,
        tenant,
        nowMs,
        audit: (action, target, detail) => entries.push({ action, target, detail }),
        touch: (object, objectId) => touched.push({ object, objectId, tenantId }),
      });
      for (const { action, target, detail } of entries) {
        const auditId = uuidText(newUuid(nowMs));
        const detailJson = JSON.stringify(detail);
        await this.audits.insert(tx, tenantId, { auditId, atMs: nowMs, actor, action, target, detailJson });
      }
      return { value: result, version: touched.length === 0 ? 0n : await this.config.bump(tx, touched) };
    });
    if (touched.length === 0) return { value, applied: { version, pending: [] } };
    this.wake.notify();
    const kinds = [...new Set(touched.flatMap(({ object }) => KINDS_OF[object]))];
    return { value, applied: { version, pending: await this.confirmations.run(version, kinds) } };
  }
}
