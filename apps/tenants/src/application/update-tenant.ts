import { idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import {
  checkIntakeQuota,
  checkMediaPolicy,
  checkTenant,
  type Tenant,
  type TenantFields,
} from '../domain/tenant.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { changedFields } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Changes what a tenant is called, where it is, how much it may send, and what is kept of media; the last two are watched. */
export class UpdateTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
  ) {}

  /** @throws AppError `request.invalid`, `tenant.not_found`, `principal.forbidden`: a quota is the operator's. */
  async run(
    actor: Actor,
    ref: string,
    fields: Partial<Omit<TenantFields, 'slug'> & Pick<Tenant, 'intakeQuota' | 'media'>>,
  ): Promise<{ tenant: Tenant; applied: Applied }> {
    checkTenant(fields);
    if (fields.intakeQuota !== undefined && actor.kind !== 'operator')
      throw new AppError('principal.forbidden', { detail: 'the intake quota is set by the operator' });
    if (fields.intakeQuota) checkIntakeQuota(fields.intakeQuota);
    if (fields.media) checkMediaPolicy(fields.media);
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const tenant = { ...change.tenant, ...fields };
      await this.tenants.update(change.tx, tenant);
      const detail = changedFields(change.tenant, tenant, [
        ...(['name', 'country', 'timeZone', 'intakeQuota', 'media'] as const),
      ]);
      if ('intakeQuota' in detail.after || 'media' in detail.after) change.touch('tenant', tenant.tenantId);
      change.audit('tenant.updated', idOfUuid('ten', tenant.tenantId), detail);
      return tenant;
    });
    return { tenant: value, applied };
  }
}
