import type { Secret, SourceConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { uuidOf } from './edge-tenant.js';
import { ValidSecrets } from './valid-secrets.js';

/** A source as the edge knows it. */
export class EdgeSource {
  /** `src_…` */
  readonly id: string;
  readonly uuid: Buffer;
  readonly tenantId: string;
  readonly provider: string;
  readonly settingsJson: string;
  /** active | paused | disabled */
  readonly status: string;
  /** What the provider's send API wants, one JSON object as text; undefined when not asked for by kind, or not given. */
  readonly credentials: string | undefined;
  readonly secrets: readonly Secret[];
  private readonly validSecrets: ValidSecrets;

  constructor(config: SourceConfig) {
    this.id = config.id;
    this.uuid = uuidOf('src', config.id);
    this.tenantId = config.tenantId;
    this.provider = config.provider;
    this.settingsJson = config.settingsJson;
    this.status = config.status;
    this.credentials = config.credentialsJson === '' ? undefined : config.credentialsJson;
    this.secrets = config.secrets;
    this.validSecrets = new ValidSecrets(config.secrets);
  }

  /** Whether what comes in is stored, and not processed until the source is resumed. */
  get isPaused(): boolean {
    return this.status === 'paused';
  }

  /** Those valid then, current ones first; the same objects while nothing changes. */
  secretsAt(nowMs: number): readonly Secret[] {
    return this.validSecrets.at(nowMs);
  }
}
