import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { normalizeAddress } from '@posthorn/providers/address.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { Person } from '../domain/person.js';

/** Turns what callers name into what the store knows: tenants by UUID, persons by hash. */
export class EdgeTenants {
  constructor(private readonly edge: Pick<EdgeConfig, 'tenant' | 'isReady'>) {}

  /** @returns UUID text. @throws AppError `tenant.not_found`, or `service.unavailable` before the first snapshot. */
  uuidOf(tenantId: string): string {
    return uuidText(this.find(tenantId).uuid);
  }

  /**
   * The person at an address; the address goes no further.
   * @throws AppError `tenant.not_found`, `data_key.unavailable` when the tenant's hash key is not in memory,
   * `request.invalid` for an empty address.
   */
  personAt(tenantId: string, address: string): Person {
    const { uuid, hashKey } = this.find(tenantId);
    const normal = normalizeAddress(address);
    if (normal === '') throw invalid('address', 'is empty');
    if (hashKey === undefined) throw new AppError('data_key.unavailable');
    return { tenantId: uuidText(uuid), hash: keyedHash(hashKey, 'person', normal) };
  }

  private find(tenantId: string): EdgeTenant {
    const tenant = this.edge.tenant(tenantId);
    if (tenant !== undefined) return tenant;
    throw new AppError(this.edge.isReady ? 'tenant.not_found' : 'service.unavailable');
  }
}

/** A request that cannot be carried out because of one field. */
export const invalid = (path: string, message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path, message }] });
