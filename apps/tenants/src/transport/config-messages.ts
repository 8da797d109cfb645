import { idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import {
  ConfigKind as Kind,
  type DataKey,
  type DestinationConfig,
  type Secret,
  type SourceConfig,
  type TenantConfig,
  type TenantKeywords,
  type WatchHello,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type TenantKeywords as Keywords } from '@posthorn/providers/tenant-keywords.js';
import { type ConfigKind, kindsFor } from '../domain/config-kind.js';
import {
  type ConfigDataKey,
  type ConfigDestination,
  type ConfigPage,
  type ConfigSecret,
  type ConfigSource,
  type ConfigTenant,
} from '../domain/config-page.js';
import { invalidField } from '../domain/field-errors.js';
import { type Watcher } from '../persistence/watcher.store.js';

const KINDS: ReadonlyMap<Kind, ConfigKind> = new Map([
  [Kind.CONFIG_KIND_TENANTS, 'tenants'],
  [Kind.CONFIG_KIND_HASH_KEYS, 'hash_keys'],
  [Kind.CONFIG_KIND_DATA_KEYS, 'data_keys'],
  [Kind.CONFIG_KIND_SOURCES, 'sources'],
  [Kind.CONFIG_KIND_DESTINATIONS, 'destinations'],
  [Kind.CONFIG_KIND_SEND_CREDENTIALS, 'send_credentials'],
  [Kind.CONFIG_KIND_SOURCE_SETTINGS, 'source_settings'],
]);
const NO_KEY = Buffer.alloc(0);

/** Who watches what. @throws AppError `request.invalid` for a kind that this version does not know. */
export function watcherOf({ service, instanceId, kinds, recordKeys }: WatchHello): Watcher {
  const known = kinds.map((kind) => {
    const name = KINDS.get(kind);
    if (name === undefined) throw invalidField('kinds', 'there is no such kind');
    return name;
  });
  if (recordKeys === true) known.push('record_keys');
  return { service, instanceId, kinds: kindsFor(service, known) };
}

export const dataKeyMessage = ({ keyId, key, weekStartDay, generation }: ConfigDataKey): DataKey => ({
  id: uuidBytes(keyId),
  key,
  weekStartDay,
  generation,
});

export const pageMessage = (page: ConfigPage): WatchResponse => ({
  version: page.version,
  snapshotComplete: page.isSnapshotComplete,
  platform: page.platform === undefined ? undefined : { sendsPaused: page.platform.isSendingPaused },
  tenants: page.tenants.map(tenantMessage),
  sources: page.sources.map(sourceMessage),
  destinations: page.destinations.map(destinationMessage),
  deletedTenantIds: page.deletedTenantIds.map((id) => idOfUuid('ten', id)),
  deletedSourceIds: page.deletedSourceIds.map((id) => idOfUuid('src', id)),
  deletedDestinationIds: page.deletedDestinationIds.map((id) => idOfUuid('dst', id)),
});

const tenantMessage = (tenant: ConfigTenant): TenantConfig => ({
  id: idOfUuid('ten', tenant.tenantId),
  slug: tenant.slug,
  status: tenant.status,
  shards: [...tenant.shards],
  hashKey: tenant.hashKey ?? NO_KEY,
  dataKeys: tenant.dataKeys.map(dataKeyMessage),
  personKeys: tenant.personKeys.map(({ generation, key }) => ({ generation, key })),
  recordKey: tenant.recordKey && {
    id: uuidBytes(tenant.recordKey.keyId),
    key: tenant.recordKey.key ?? NO_KEY,
  },
  sendsPaused: tenant.isSendingPaused,
  intakeQuota: tenant.intakeQuota ?? undefined,
  media: tenant.media ?? undefined,
  // Most tenants have none: nothing is sent for them.
  keywords: hasWords(tenant.keywords) ? keywordsMessage(tenant.keywords) : undefined,
});

export const keywordsMessage = ({ optOut, optIn, help }: Keywords): TenantKeywords => ({
  optOut: [...optOut],
  optIn: [...optIn],
  help: [...help],
});

const hasWords = ({ optOut, optIn, help }: Keywords): boolean =>
  optOut.length + optIn.length + help.length > 0;

const secretMessage = (secret: ConfigSecret): Secret => ({
  id: idOfUuid('sec', secret.secretId),
  value: secret.value,
  status: secret.status,
  expiresAtMs: secret.expiresAtMs ?? 0,
});

const sourceMessage = (source: ConfigSource): SourceConfig => ({
  id: idOfUuid('src', source.sourceId),
  tenantId: idOfUuid('ten', source.tenantId),
  provider: source.provider,
  settingsJson: source.settingsJson,
  status: source.status,
  secrets: source.secrets.map(secretMessage),
  credentialsJson: source.credentialsJson,
});

const destinationMessage = (destination: ConfigDestination): DestinationConfig => ({
  id: idOfUuid('dst', destination.destinationId),
  tenantId: idOfUuid('ten', destination.tenantId),
  name: destination.name,
  url: destination.url,
  eventTypes: [...destination.eventTypes],
  ordering: destination.ordering,
  maxAttempts: destination.maxAttempts,
  maxAgeSeconds: destination.maxAgeSeconds,
  maxInFlight: destination.maxInFlight,
  ratePerSecond: destination.ratePerSecond,
  headersJson: destination.headersJson,
  status: destination.status,
  secrets: destination.secrets.map(secretMessage),
  include: [...destination.include],
  generation: destination.generation,
  filterJson: destination.filterJson,
});
