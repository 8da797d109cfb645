import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import type { EdgeConfig, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { addressProblem, normalizeAddress } from '@posthorn/providers/address.js';
import { idOfUuid, parseId, uuidText } from '@posthorn/clock/id.js';
import type { Person } from '../domain/person.js';
import type { PersonKeys } from '../domain/person-keys.js';

/** Turns what callers name into what the store knows: tenants by UUID, persons by hash. */
export class EdgeTenants {
  constructor(
    private readonly edge: Pick<EdgeConfig, 'tenant' | 'isReady' | 'isSendingPaused'>,
    private readonly keys: PersonKeys,
  ) {}

  /** @returns UUID text. @throws AppError `tenant.not_found`, or `service.unavailable` before the first snapshot. */
  uuidOf(tenantId: string): string {
    return uuidText(this.find(tenantId).uuid);
  }

  /**
   * The person at an address that somebody wrote down; the address goes no further.
   * @param channel that it is named for. A person who is known by a phone number may be kept from emails, so that says
   * little of the address; only chats and apps have names of their own.
   * @throws AppError `tenant.not_found`, `data_key.unavailable` when the tenant's hash key is not in memory,
   * `request.invalid` for what is no address, or a phone number without its country.
   */
  personAt(tenantId: string, address: string, channel: string): Person {
    const kind = channel === 'chat' || channel === 'push' ? channel : '';
    const problem = addressProblem(address, kind);
    if (problem !== undefined) throw invalid('address', problem);
    return this.recipientAt(tenantId, address);
  }

  /** The same for one that a message goes to: it was looked at when that was taken, or is a provider's. */
  recipientAt(tenantId: string, address: string): Person {
    const { uuid, hashKey } = this.find(tenantId);
    const normal = normalizeAddress(address);
    if (normal === '') throw invalid('address', 'is empty');
    if (hashKey === undefined) throw new AppError('data_key.unavailable');
    return this.keys.person(uuidText(uuid), keyedHash(hashKey, 'person', normal));
  }

  /** The person of a `per_…`: known or not, its hash is in it. @throws AppError `request.invalid`. */
  personOf(tenantId: string, personId: string, path = 'personId'): Person {
    const hash = parseId('per', personId);
    if (hash === undefined) throw invalid(path, 'is no ID of a person');
    return this.keys.person(this.uuidOf(tenantId), hash);
  }

  /** Under which key its persons are to be kept; 0: none. */
  personKeyGenerationOf(tenantId: string): number {
    return this.find(tenantId).personKeyGeneration;
  }

  /** The lanes of the log in which events of a tenant can be. @param tenantId UUID text. */
  shardsOf(tenantId: string): readonly number[] {
    return this.edge.tenant(idOfUuid('ten', tenantId))?.shards ?? [];
  }

  /** Whether no command of the tenant may leave: by the platform, by itself, or because it is suspended. */
  isSendingPaused(tenantId: string): boolean {
    return this.edge.isSendingPaused || this.find(tenantId).isSendingPaused;
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
