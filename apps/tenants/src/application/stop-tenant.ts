import { idOfUuid } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { checkReason } from '../domain/stop-reason.js';
import { type Tenant } from '../domain/tenant.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/**
 * Stops a tenant's sends, or the tenant, and lets it go on (I8).
 * A suspended tenant sends nothing and its API keys only read; its providers are still answered and what they post is
 * stored, so that nothing is lost by a suspension that was a mistake. Repeating a stop tells everybody once more.
 */
export class StopTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
  ) {}

  /** @throws AppError `request.invalid`, `tenant.not_found` */
  setSuspended(
    actor: Actor,
    tenant: string,
    isSuspended: boolean,
    reason: string,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    const action = isSuspended ? 'tenant.suspended' : 'tenant.resumed';
    return this.change(actor, tenant, action, reason, { status: isSuspended ? 'suspended' : 'active' });
  }

  /** @throws AppError `request.invalid`, `tenant.not_found` */
  setSendsPaused(
    actor: Actor,
    tenant: string,
    isPaused: boolean,
    reason: string,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    const action = isPaused ? 'sends.paused' : 'sends.resumed';
    return this.change(actor, tenant, action, reason, { isSendingPaused: isPaused });
  }

  private async change(
    actor: Actor,
    ref: string,
    action: string,
    reason: string,
    fields: Partial<Pick<Tenant, 'status' | 'isSendingPaused'>>,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    checkReason(reason);
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const { status, isSendingPaused } = change.tenant;
      const tenant = { ...change.tenant, ...fields };
      await this.tenants.setStops(change.tx, tenant);
      change.touch('tenant', tenant.tenantId);
      change.audit(action, idOfUuid('ten', tenant.tenantId), {
        before: { status, isSendingPaused },
        after: { status: tenant.status, isSendingPaused: tenant.isSendingPaused },
        reason,
      });
      return tenant;
    });
    return { tenant: value, applied };
  }
}
