import { type Tx } from '@posthorn/postgres/database.js';
import { type ConfigPlatform } from '../domain/config-page.js';
import { type IntakeQuota, type MediaPolicy } from '../domain/tenant.js';
import { DATA_KEYS_SQL } from './data-keys.sql.js';
import { type WrappedDataKey } from './key.store.js';
import { type PersonKeyStore, type WrappedPersonKey } from './person-key.store.js';
import { intakeQuotaOf, mediaOf } from './tenant.store.js';
import { msOf, timeOf } from './time.sql.js';

/** A tenant with its hash key and its record key, wrapped. */
export interface TenantConfigRow {
  readonly tenantId: string;
  readonly slug: string;
  readonly status: string;
  readonly isSendingPaused: boolean;
  readonly intakeQuota: IntakeQuota | null;
  readonly media: MediaPolicy | null;
  readonly shards: number[];
  readonly hashKeyId: string | null;
  readonly hashKeyWrapped: Buffer | null;
  readonly recordKeyId: string | null;
  readonly recordKeyWrapped: Buffer | null;
  /** Its own words by meaning; null when it never had any. */
  readonly optOutWords: string[] | null;
  readonly optInWords: string[] | null;
  readonly helpWords: string[] | null;
}

/** The key that opens a tenant's secrets, wrapped. */
interface SecretKeyColumns {
  readonly tenantId: string;
  readonly secretKeyId: string;
  readonly secretKeyWrapped: Buffer;
}

export interface SourceConfigRow extends SecretKeyColumns {
  readonly sourceId: string;
  readonly provider: string;
  readonly settingsJson: string;
  readonly status: string;
  readonly credentialsSealed: Buffer | null;
}

export interface DestinationConfigRow extends SecretKeyColumns {
  readonly destinationId: string;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: string[];
  readonly ordering: string;
  readonly maxAttempts: number;
  readonly maxAgeSeconds: number;
  readonly maxInFlight: number;
  readonly ratePerSecond: number;
  readonly headersSealed: Buffer;
  readonly status: string;
  readonly include: string[];
  readonly filterJson: string;
  readonly generation: number;
}

export interface SecretConfigRow extends SecretKeyColumns {
  readonly secretId: string;
  readonly ownerId: string;
  readonly sealed: Buffer;
  readonly status: string;
  readonly expiresAtMs: number | null;
}

/** Where a page begins: after this tenant and object. */
export type PageStart = readonly [tenantId: string, objectId: string];

const NIL = '00000000-0000-0000-0000-000000000000';
export const FIRST_PAGE: PageStart = [NIL, NIL];

const TENANT = `SELECT t.tenant_id AS "tenantId", t.slug, t.status, t.sends_paused AS "isSendingPaused", t.shards,
    ${intakeQuotaOf('t.')}, ${mediaOf('t.')},
    h.key_id AS "hashKeyId", h.wrapped AS "hashKeyWrapped",
    r.key_id AS "recordKeyId", r.wrapped AS "recordKeyWrapped",
    w.opt_out AS "optOutWords", w.opt_in AS "optInWords", w.help AS "helpWords"
  FROM tenants.tenant t LEFT JOIN tenants.hash_key h USING (tenant_id)
    LEFT JOIN tenants.record_key r USING (tenant_id)
    LEFT JOIN tenants.tenant_keywords w USING (tenant_id) WHERE t.status <> 'deleted'`;
const SOURCE = `SELECT s.tenant_id AS "tenantId", s.source_id AS "sourceId", s.provider,
    s.settings_json AS "settingsJson", s.status, k.key_id AS "secretKeyId", k.wrapped AS "secretKeyWrapped",
    c.sealed AS "credentialsSealed"
  FROM tenants.source s JOIN tenants.secret_key k USING (tenant_id)
    LEFT JOIN tenants.source_credential c USING (tenant_id, source_id)`;
const DESTINATION = `SELECT d.tenant_id AS "tenantId", d.destination_id AS "destinationId", d.name, d.url,
    d.event_types AS "eventTypes", d.ordering, d.max_attempts AS "maxAttempts",
    d.max_age_seconds AS "maxAgeSeconds", d.max_in_flight AS "maxInFlight",
    d.rate_per_second AS "ratePerSecond", d.headers_sealed AS "headersSealed", d.status, d.include, d.filter::text AS "filterJson", d.generation,
    k.key_id AS "secretKeyId", k.wrapped AS "secretKeyWrapped"
  FROM tenants.destination d JOIN tenants.secret_key k USING (tenant_id)`;
const given = `(SELECT * FROM unnest($1::uuid[], $2::uuid[]))`;

const PLATFORM = {
  name: 'config_platform',
  text: `SELECT sends_paused AS "isSendingPaused" FROM tenants.platform`,
};
const TENANT_PAGE = {
  name: 'config_tenant_page',
  text: `${TENANT} AND t.tenant_id > $1 ORDER BY t.tenant_id LIMIT $2`,
};
const DELETED_PAGE = {
  name: 'config_deleted_page',
  text: `SELECT tenant_id AS "tenantId" FROM tenants.tenant WHERE status = 'deleted' AND tenant_id > $1
    ORDER BY tenant_id LIMIT $2`,
};
const TENANT_GIVEN = { name: 'config_tenant_given', text: `${TENANT} AND t.tenant_id = ANY ($1::uuid[])` };
const SOURCE_PAGE = {
  name: 'config_source_page',
  text: `${SOURCE} WHERE (s.tenant_id, s.source_id) > ($1, $2) ORDER BY s.tenant_id, s.source_id LIMIT $3`,
};
const SOURCE_GIVEN = {
  name: 'config_source_given',
  text: `${SOURCE} WHERE (s.tenant_id, s.source_id) IN ${given}`,
};
const DESTINATION_PAGE = {
  name: 'config_destination_page',
  text: `${DESTINATION} WHERE (d.tenant_id, d.destination_id) > ($1, $2)
    ORDER BY d.tenant_id, d.destination_id LIMIT $3`,
};
const DESTINATION_GIVEN = {
  name: 'config_destination_given',
  text: `${DESTINATION} WHERE (d.tenant_id, d.destination_id) IN ${given}`,
};
const DATA_KEYS = {
  name: 'config_data_keys',
  // The newest of a week first: a watcher that knows of no generations seals with the first that fits.
  text: `SELECT tenant_id AS "tenantId", key_id AS "keyId", wrapped, week_start_day AS "weekStartDay", generation
    FROM ${DATA_KEYS_SQL} k WHERE tenant_id = ANY ($1::uuid[]) AND week_start_day = ANY ($2::int[])
    ORDER BY tenant_id, week_start_day, generation DESC`,
};
const SECRETS = {
  name: 'config_secrets',
  // With the key, as everything that is sealed is read: it may be renewed, and all of it sealed anew, in between.
  text: `SELECT s.tenant_id AS "tenantId", secret_id AS "secretId", owner_id AS "ownerId", sealed, status,
      ${msOf('expires_at')} AS "expiresAtMs", k.key_id AS "secretKeyId", k.wrapped AS "secretKeyWrapped"
    FROM tenants.secret s JOIN tenants.secret_key k USING (tenant_id)
    WHERE (s.tenant_id, owner_id) IN ${given} AND sealed IS NOT NULL
      AND (expires_at IS NULL OR expires_at > ${timeOf('$3')})
    ORDER BY status, secret_id DESC`,
};

/** What the edge needs, still sealed. Each method reads a page, or the given objects. */
export class ConfigRead {
  constructor(
    private readonly db: Pick<Tx, 'query'>,
    private readonly personKeyStore: PersonKeyStore,
  ) {}

  async platform(): Promise<ConfigPlatform> {
    return (await this.db.query<ConfigPlatform>(PLATFORM)).rows[0]!;
  }

  async tenantPage(after: string, limit: number): Promise<TenantConfigRow[]> {
    return (await this.db.query<TenantConfigRow>(TENANT_PAGE, [after, limit])).rows;
  }

  /** IDs of tenants that were deleted. */
  async deletedPage(after: string, limit: number): Promise<string[]> {
    const { rows } = await this.db.query<{ tenantId: string }>(DELETED_PAGE, [after, limit]);
    return rows.map(({ tenantId }) => tenantId);
  }

  async tenants(tenantIds: readonly string[]): Promise<TenantConfigRow[]> {
    if (tenantIds.length === 0) return [];
    return (await this.db.query<TenantConfigRow>(TENANT_GIVEN, [tenantIds])).rows;
  }

  async sourcePage(after: PageStart, limit: number): Promise<SourceConfigRow[]> {
    return (await this.db.query<SourceConfigRow>(SOURCE_PAGE, [...after, limit])).rows;
  }

  async sources(tenantIds: readonly string[], ids: readonly string[]): Promise<SourceConfigRow[]> {
    if (ids.length === 0) return [];
    return (await this.db.query<SourceConfigRow>(SOURCE_GIVEN, [tenantIds, ids])).rows;
  }

  async destinationPage(after: PageStart, limit: number): Promise<DestinationConfigRow[]> {
    return (await this.db.query<DestinationConfigRow>(DESTINATION_PAGE, [...after, limit])).rows;
  }

  async destinations(tenantIds: readonly string[], ids: readonly string[]): Promise<DestinationConfigRow[]> {
    if (ids.length === 0) return [];
    return (await this.db.query<DestinationConfigRow>(DESTINATION_GIVEN, [tenantIds, ids])).rows;
  }

  async dataKeys(tenantIds: readonly string[], weeks: readonly number[]): Promise<WrappedDataKey[]> {
    if (tenantIds.length === 0) return [];
    return (await this.db.query<WrappedDataKey>(DATA_KEYS, [tenantIds, weeks])).rows;
  }

  /** Of each tenant the oldest first; most have none. */
  async personKeys(tenantIds: readonly string[]): Promise<WrappedPersonKey[]> {
    return tenantIds.length === 0 ? [] : this.personKeyStore.of(this.db, tenantIds);
  }

  /** The secrets of some sources or destinations that are valid now, current ones first. */
  async secrets(
    tenantIds: readonly string[],
    ownerIds: readonly string[],
    nowMs: number,
  ): Promise<SecretConfigRow[]> {
    if (ownerIds.length === 0) return [];
    return (await this.db.query<SecretConfigRow>(SECRETS, [tenantIds, ownerIds, nowMs])).rows;
  }
}
