import { idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { checkIntakeQuota, checkTenant, type Tenant, type TenantFields } from '../domain/tenant.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { changedFields } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Changes what a tenant is called, where it is, and how much it may send; only the last is watched. */
export class UpdateTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
  ) {}

  /** @throws AppError `request.invalid`, `tenant.not_found`, `principal.forbidden`: a quota is the operator's. */
  async run(
    actor: Actor,
    ref: string,
    fields: Partial<Omit<TenantFields, 'slug'> & Pick<Tenant, 'intakeQuota'>>,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    checkTenant(fields);
    if (fields.intakeQuota !== undefined && actor.kind !== 'operator')
      throw new AppError('principal.forbidden', { detail: 'the intake quota is set by the operator' });
    if (fields.intakeQuota) checkIntakeQuota(fields.intakeQuota);
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const tenant = { ...change.tenant, ...fields };
      await this.tenants.update(change.tx, tenant);
      const detail = changedFields(change.tenant, tenant, [
        ...(['name', 'country', 'timeZone', 'intakeQuota'] as const),
      ]);
      if ('intakeQuota' in detail.after) change.touch('tenant', tenant.tenantId);
      change.audit('tenant.updated', idOfUuid('ten', tenant.tenantId), detail);
      return tenant;
    });
    return { tenant: value, applied };
  }
}
