import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { mergePolicy } from '../domain/sending-rules/parse-policy.js';
import type { PolicyStore, StoredPolicy } from '../persistence/policy.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

const JSON_BYTES_MAX = 65_536;

/** Writes a new version of a tenant's sending rules; the next permit is decided by it. */
export class PutPolicy {
  constructor(
    private readonly db: Database,
    private readonly policies: PolicyStore,
    private readonly tenants: EdgeTenants,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @throws AppError `request.invalid`, `principal.forbidden`. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly policyJson: string;
    readonly expectedVersion: number;
    readonly isOperator: boolean;
  }): Promise<StoredPolicy> {
    const { actorId, expectedVersion, isOperator } = request;
    if (actorId === '') throw invalid('actorId', 'is missing');
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const value = parse(request.policyJson);
    const stored = await this.db.transaction(async (tx) => {
      const current = await this.policies.inForce(tx, tenantId);
      if (current.version !== expectedVersion) throw conflict(current.version);
      const policy = mergePolicy(current.policy, value, isOperator ? 'operator' : 'tenant');
      const next = { version: current.version + 1, policy, actorId, createdAtMs: this.clock.nowMs() };
      if (!(await this.policies.add(tx, tenantId, next))) throw conflict(next.version);
      return next;
    });
    this.log.info({ actorId, version: String(stored.version), outcome: 'written' }, 'policy by hand');
    return stored;
  }
}

function parse(json: string): unknown {
  if (json.length > JSON_BYTES_MAX) throw invalid('policy', `at most ${JSON_BYTES_MAX} bytes`);
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new AppError('request.malformed', { cause });
  }
}

const conflict = (version: number): AppError =>
  invalid('expectedVersion', `version ${version} is in force: read it first`);
