import { formatId, idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import {
  type Actor as ActorMessage,
  type ApiKey as ApiKeyMessage,
  type Applied as AppliedMessage,
  type AuditEntry as AuditEntryMessage,
  type Destination as DestinationMessage,
  type OperatorKey as OperatorKeyMessage,
  type SecretInfo as SecretInfoMessage,
  type Source as SourceMessage,
  type Tenant as TenantMessage,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type Applied } from '../application/change-runner.js';
import { type Actor } from '../domain/actor.js';
import { type ChainedEntry } from '../domain/audit-entry.js';
import { type Destination } from '../domain/destination.js';
import { FieldErrors } from '../domain/field-errors.js';
import { type OperatorKey } from '../domain/operator-key.js';
import { type ApiKey } from '../domain/scope.js';
import { type SecretInfo } from '../domain/secret.js';
import { shownSettings, type Source } from '../domain/source.js';
import { type Tenant } from '../domain/tenant.js';

const ACTOR_KINDS = ['operator', 'tenant', 'service'];
const ACTOR_LENGTH_MAX = 100;

/** Who asks. @throws AppError `request.invalid`: no change without somebody to name. */
export function actorOf(actor: ActorMessage | undefined): Actor {
  const { id = '', kind = '', remoteAddress = '' } = actor ?? {};
  const errors = new FieldErrors();
  errors.require(
    id !== '' && id.length <= ACTOR_LENGTH_MAX,
    'actor.id',
    `1 to ${ACTOR_LENGTH_MAX} characters`,
  );
  errors.require(ACTOR_KINDS.includes(kind), 'actor.kind', ACTOR_KINDS.join(', '));
  errors.require(remoteAddress.length <= ACTOR_LENGTH_MAX, 'actor.remoteAddress', 'too long');
  errors.throwIfAny();
  return { id, kind: kind as Actor['kind'], remoteAddress };
}

/** A service of ours. @param service as its certificate names it. */
export const serviceActor = (service: string): Actor => ({
  id: `service:${service}`,
  kind: 'service',
  remoteAddress: '',
});

export const appliedMessage = ({ version, pending }: Applied): AppliedMessage => ({
  version,
  pending: [...pending],
});

export const tenantMessage = (tenant: Tenant): TenantMessage => ({
  id: idOfUuid('ten', tenant.tenantId),
  slug: tenant.slug,
  name: tenant.name,
  country: tenant.country,
  timeZone: tenant.timeZone,
  status: tenant.status,
  createdAtMs: tenant.createdAtMs,
  sendsPaused: tenant.isSendingPaused,
  intakeQuota: tenant.intakeQuota ?? undefined,
  media: tenant.media ?? undefined,
});

export const apiKeyMessage = (key: ApiKey): ApiKeyMessage => ({
  id: idOfUuid('key', key.apiKeyId),
  name: key.name,
  scopes: [...key.scopes],
  expiresAtMs: key.expiresAtMs ?? 0,
  createdAtMs: key.createdAtMs,
  lastUsedAtMs: key.lastUsedAtMs ?? 0,
});

export const operatorKeyMessage = (key: OperatorKey): OperatorKeyMessage => ({
  id: idOfUuid('key', key.operatorKeyId),
  name: key.name,
  scopes: [...key.scopes],
  origin: key.origin,
  expiresAtMs: key.expiresAtMs ?? 0,
  createdAtMs: key.createdAtMs,
  lastUsedAtMs: key.lastUsedAtMs ?? 0,
});

export const secretInfoMessage = (secret: SecretInfo): SecretInfoMessage => ({
  id: idOfUuid('sec', secret.secretId),
  status: secret.status,
  createdAtMs: secret.createdAtMs,
  expiresAtMs: secret.expiresAtMs ?? 0,
  lastMatchedAtMs: secret.lastMatchedAtMs ?? 0,
});

export function sourceMessage(source: Source): SourceMessage {
  const { shown, hidden } = shownSettings(source);
  return {
    id: idOfUuid('src', source.sourceId),
    name: source.name,
    provider: source.provider,
    settingsJson: JSON.stringify(shown),
    status: source.status,
    secrets: source.secrets.map(secretInfoMessage),
    createdAtMs: source.createdAtMs,
    credentialsSetAtMs: source.credentialsSetAtMs ?? undefined,
    hiddenSettings: [...hidden],
  };
}

export const destinationMessage = (destination: Destination): DestinationMessage => ({
  id: idOfUuid('dst', destination.destinationId),
  name: destination.name,
  url: destination.url,
  eventTypes: [...destination.eventTypes],
  ordering: destination.ordering,
  maxAttempts: destination.maxAttempts,
  maxAgeSeconds: destination.maxAgeSeconds,
  maxInFlight: destination.maxInFlight,
  ratePerSecond: destination.ratePerSecond,
  headersJson: JSON.stringify(destination.headers),
  status: destination.status,
  secrets: destination.secrets.map(secretInfoMessage),
  createdAtMs: destination.createdAtMs,
  include: [...destination.include],
  disabledReason: destination.disabledReason ?? undefined,
  disabledAtMs: destination.disabledAtMs ?? undefined,
  filterJson: JSON.stringify(destination.filter),
});

export const auditEntryMessage = (entry: ChainedEntry): AuditEntryMessage => ({
  id: formatId('aud', uuidBytes(entry.auditId)),
  atMs: entry.atMs,
  actor: { ...entry.actor },
  action: entry.action,
  target: entry.target,
  detailJson: entry.detailJson,
  number: entry.number,
  hash: entry.hash,
  origin: entry.origin,
});
