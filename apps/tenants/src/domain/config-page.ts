import { type TenantKeywords } from '@posthorn/providers/tenant-keywords.js';
import { type ConfigKind } from './config-kind.js';
import { expandEventTypes } from './event-type.js';
import { type IntakeQuota, type MediaPolicy } from './tenant.js';

/** A secret in the clear, on its way to the service that uses it. */
export interface ConfigSecret {
  readonly secretId: string;
  readonly value: string;
  readonly status: string;
  readonly expiresAtMs: number | null;
}

/** A data key in the clear. */
export interface ConfigDataKey {
  readonly keyId: string;
  readonly key: Buffer;
  readonly weekStartDay: number;
  readonly generation: number;
}

/** A key under which the hashes of persons are kept, in the clear. */
export interface ConfigPersonKey {
  readonly generation: number;
  readonly key: Buffer;
}

/** The key of a tenant's consent records. */
export interface ConfigRecordKey {
  readonly keyId: string;
  /** Undefined when it cannot be opened: nobody may take that for there being none. */
  readonly key: Buffer | undefined;
}

/** A tenant as the edge needs it. */
export interface ConfigTenant {
  readonly tenantId: string;
  readonly slug: string;
  readonly status: string;
  readonly isSendingPaused: boolean;
  /** Null: what the platform lets every tenant. */
  readonly intakeQuota: IntakeQuota | null;
  /** Null: media are not fetched. */
  readonly media: MediaPolicy | null;
  readonly shards: readonly number[];
  readonly hashKey: Buffer | undefined;
  readonly dataKeys: readonly ConfigDataKey[];
  readonly personKeys: readonly ConfigPersonKey[];
  /** Undefined: none was made yet. */
  readonly recordKey: ConfigRecordKey | undefined;
  /** Words that count as keywords beside the usual ones, folded. */
  readonly keywords: TenantKeywords;
}

/** A source as the edge needs it. */
export interface ConfigSource {
  readonly sourceId: string;
  readonly tenantId: string;
  readonly provider: string;
  readonly settingsJson: string;
  readonly status: string;
  readonly secrets: readonly ConfigSecret[];
  /** For its sends; undefined when none were given. */
  readonly credentialsJson: string | undefined;
}

/** What holds for all tenants. */
export interface ConfigPlatform {
  readonly isSendingPaused: boolean;
}

/** A destination as the edge needs it. */
export interface ConfigDestination {
  readonly destinationId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: readonly string[];
  readonly ordering: string;
  readonly maxAttempts: number;
  readonly maxAgeSeconds: number;
  readonly maxInFlight: number;
  readonly ratePerSecond: number;
  readonly headersJson: string;
  readonly status: string;
  readonly include: readonly string[];
  readonly filterJson: string;
  readonly generation: number;
  readonly secrets: readonly ConfigSecret[];
}

/** A part of the configuration: a page of a snapshot, or a change. */
export interface ConfigPage {
  /** What the receiver has after this page. */
  readonly version: bigint;
  readonly isSnapshotComplete: boolean;
  /** Undefined: as before. */
  readonly platform: ConfigPlatform | undefined;
  readonly tenants: readonly ConfigTenant[];
  readonly sources: readonly ConfigSource[];
  readonly destinations: readonly ConfigDestination[];
  readonly deletedTenantIds: readonly string[];
  readonly deletedSourceIds: readonly string[];
  readonly deletedDestinationIds: readonly string[];
}

/** Objects in one message: with the largest settings and secrets it stays below 16 MiB. */
export const PAGE_OBJECTS_MAX = 100;

/** A page without content: a heartbeat, or the frame for some. */
export const emptyPage = (version: bigint): ConfigPage => ({
  version,
  isSnapshotComplete: false,
  platform: undefined,
  tenants: [],
  sources: [],
  destinations: [],
  deletedTenantIds: [],
  deletedSourceIds: [],
  deletedDestinationIds: [],
});

/** What of a page a watcher of these kinds may hold; subscriptions with every `noun.*` written out. */
export function pageFor(kinds: readonly ConfigKind[], page: ConfigPage): ConfigPage {
  const has = (...wanted: ConfigKind[]): boolean => wanted.some((kind) => kinds.includes(kind));
  const hasTenants = has('tenants', 'hash_keys', 'data_keys');
  const hasSources = has('sources', 'source_settings', 'send_credentials');
  return {
    ...page,
    platform: has('tenants') ? page.platform : undefined,
    tenants: hasTenants
      ? page.tenants.map((tenant) => ({
          ...tenant,
          hashKey: has('hash_keys') ? tenant.hashKey : undefined,
          dataKeys: has('data_keys') ? tenant.dataKeys : [],
          personKeys: has('person_keys') ? tenant.personKeys : [],
          recordKey: has('record_keys') ? tenant.recordKey : undefined,
        }))
      : [],
    deletedTenantIds: hasTenants ? page.deletedTenantIds : [],
    sources: hasSources
      ? page.sources.map((source) => ({
          ...source,
          secrets: has('sources') ? source.secrets : [],
          credentialsJson: has('send_credentials') ? source.credentialsJson : undefined,
        }))
      : [],
    deletedSourceIds: hasSources ? page.deletedSourceIds : [],
    destinations: has('destinations')
      ? page.destinations.map((each) => ({ ...each, eventTypes: expandEventTypes(each.eventTypes) }))
      : [],
    deletedDestinationIds: has('destinations') ? page.deletedDestinationIds : [],
  };
}

/**
 * A change as messages of bounded size, deletions first.
 * Only the last has the new version, so that a receiver confirms it when it has all of it.
 */
export function splitPage(page: ConfigPage, previousVersion: bigint): ConfigPage[] {
  const { tenants, sources, destinations } = page;
  const longest = Math.max(tenants.length, sources.length, destinations.length);
  const parts = Math.max(1, Math.ceil(longest / PAGE_OBJECTS_MAX));
  return Array.from({ length: parts }, (_, index) => {
    const [start, end] = [index * PAGE_OBJECTS_MAX, (index + 1) * PAGE_OBJECTS_MAX];
    return {
      ...(index === 0 ? page : emptyPage(previousVersion)),
      version: index === parts - 1 ? page.version : previousVersion,
      tenants: tenants.slice(start, end),
      sources: sources.slice(start, end),
      destinations: destinations.slice(start, end),
    };
  });
}
