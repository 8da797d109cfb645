import { idOfUuid } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { checkTenant, type Tenant, type TenantFields } from '../domain/tenant.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { changedFields } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Changes what a tenant is called and where it is. Nobody watches these, so there is nothing to confirm. */
export class UpdateTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
  ) {}

  /** @throws AppError `request.invalid`, `tenant.not_found` */
  async run(
    actor: Actor,
    ref: string,
    fields: Partial<Omit<TenantFields, 'slug'>>,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    checkTenant(fields);
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const tenant = { ...change.tenant, ...fields };
      await this.tenants.update(change.tx, tenant);
      const detail = changedFields(change.tenant, tenant, ['name', 'country', 'timeZone']);
      change.audit('tenant.updated', idOfUuid('ten', tenant.tenantId), detail);
      return tenant;
    });
    return { tenant: value, applied };
  }
}
