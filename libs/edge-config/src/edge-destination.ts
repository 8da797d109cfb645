import type { DestinationConfig, Secret } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { uuidOf } from './edge-tenant.js';
import { ValidSecrets } from './valid-secrets.js';

/** A destination as the edge knows it. */
export class EdgeDestination {
  /** `dst_…` */
  readonly id: string;
  readonly uuid: Buffer;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  /** Undefined = all. */
  readonly eventTypes: ReadonlySet<string> | undefined;
  readonly ordering: 'none' | 'key';
  readonly maxAttempts: number;
  readonly maxAgeSeconds: number;
  readonly maxInFlight: number;
  /** 0 = no limit. */
  readonly ratePerSecond: number;
  readonly headers: Readonly<Record<string, string>>;
  /** active | disabled */
  readonly status: string;
  /** What its deliveries carry beyond IDs and states; names that are not known here ask for nothing. */
  readonly include: ReadonlySet<string>;
  /** Raised when it is enabled, or its URL or headers change; 0: tenants does not say. */
  readonly generation: number;
  /** Of the facts that it subscribed to, those with one of the values of each field. */
  readonly filter: readonly (readonly [field: string, values: ReadonlySet<string>])[];
  readonly secrets: readonly Secret[];
  private readonly validSecrets: ValidSecrets;

  constructor(config: DestinationConfig) {
    this.id = config.id;
    this.uuid = uuidOf('dst', config.id);
    this.tenantId = config.tenantId;
    this.name = config.name;
    this.url = config.url;
    this.eventTypes = config.eventTypes.length === 0 ? undefined : new Set(config.eventTypes);
    this.ordering = config.ordering === 'key' ? 'key' : 'none';
    this.maxAttempts = config.maxAttempts;
    this.maxAgeSeconds = config.maxAgeSeconds;
    this.maxInFlight = config.maxInFlight;
    this.ratePerSecond = config.ratePerSecond;
    this.headers = headersOf(config.headersJson);
    this.status = config.status;
    this.include = new Set(config.include);
    this.generation = config.generation ?? 0;
    this.filter = filterOf(config.filterJson);
    this.secrets = config.secrets;
    this.validSecrets = new ValidSecrets(config.secrets);
  }

  /** Those valid then, current ones first; the same objects while nothing changes. */
  secretsAt(nowMs: number): readonly Secret[] {
    return this.validSecrets.at(nowMs);
  }
}

function filterOf(json: string): [string, ReadonlySet<string>][] {
  const parsed = JSON.parse(json === '' ? '{}' : json) as Record<string, readonly string[]>;
  return Object.entries(parsed).map(([field, values]) => [field, new Set(values)]);
}

function headersOf(json: string): Record<string, string> {
  const parsed: unknown = json === '' ? {} : JSON.parse(json);
  return Object.fromEntries(
    Object.entries(parsed as Record<string, unknown>).map(([name, value]) => [name, String(value)]),
  );
}
