import { type Actor } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Counter, type Metrics } from '@posthorn/server/metrics.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import { type Principal } from '../domain/principal.js';

const PERIOD_MS = 60_000;
/** Callers without a valid key that a period tells apart; all are counted. */
const ADDRESSES_MAX = 20;
/** Keys whose refusals a period writes down; what comes from further ones waits for its next refusal. */
const KEYS_MAX = 100;
const OPERATIONS_MAX = 10;
const PLATFORM = '';

interface RefusedKey {
  readonly actor: Actor;
  /** `ten_…`; empty: an operator's. */
  readonly tenantId: string;
  attempts: number;
  readonly operations: Set<string>;
}

/**
 * Writes down who was not let in. Not each time: one entry a minute for all without a valid key, one for each key that
 * may not do what it tried, so that nobody can fill an audit log by knocking.
 */
export class NoteRefusals {
  private addresses = new Map<string, number>();
  private unauthenticated = 0;
  private readonly refused: Counter;
  private keys = new Map<string, RefusedKey>();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(
    private readonly tenants: Pick<TenantsClient, 'recordAccess'>,
    private readonly log: Pick<Logger, 'warn'>,
    metrics: Metrics,
  ) {
    this.refused = metrics.counter({
      name: 'posthorn_api_refused_requests_total',
      help: 'Requests to the API that were not let in: no valid key, or one that may not do this',
      labels: ['cause'],
    });
    for (const cause of ['unauthenticated', 'forbidden']) this.refused.inc({ cause }, 0);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), PERIOD_MS);
  }

  /** While the channel is still open. */
  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
    await this.flush();
  }

  /** No key, or none that is valid. */
  onUnauthenticated(remoteAddress: string): void {
    this.unauthenticated += 1;
    this.refused.inc({ cause: 'unauthenticated' });
    const known = this.addresses.get(remoteAddress);
    if (known !== undefined || this.addresses.size < ADDRESSES_MAX)
      this.addresses.set(remoteAddress, (known ?? 0) + 1);
  }

  /** A key without the scope, or of another tenant. @param operation method and path, as it is declared. */
  onForbidden({ keyId, kind, tenant }: Principal, remoteAddress: string, operation: string): void {
    this.refused.inc({ cause: 'forbidden' });
    const actor = { id: keyId, kind, remoteAddress };
    const known = this.keys.get(keyId);
    if (known === undefined && this.keys.size >= KEYS_MAX) return;
    const refused = known ?? { actor, tenantId: tenant?.id ?? PLATFORM, attempts: 0, operations: new Set() };
    refused.attempts += 1;
    if (refused.operations.size < OPERATIONS_MAX) refused.operations.add(operation);
    this.keys.set(keyId, refused);
  }

  private flush(): Promise<void> {
    return (this.running ??= this.write().finally(() => (this.running = undefined)));
  }

  /** What tenants does not take now is written down with what comes next. */
  private async write(): Promise<void> {
    try {
      await this.writeUnauthenticated();
      for (const [keyId, refused] of [...this.keys]) {
        const { actor, tenantId, attempts, operations } = refused;
        const detail = { attempts, operations: [...operations] };
        await this.tenants.recordAccess(actor, tenantId, 'authorization.refused', keyId, detail);
        refused.attempts -= attempts;
        if (refused.attempts === 0) this.keys.delete(keyId);
      }
    } catch (err) {
      this.log.warn({ err, stage: 'audit' }, 'refused calls were not written down');
    }
  }

  private async writeUnauthenticated(): Promise<void> {
    const [attempts, addresses] = [this.unauthenticated, this.addresses];
    if (attempts === 0) return;
    const actor = { id: 'service:api', kind: 'service', remoteAddress: '' };
    const detail = { attempts, addresses: Object.fromEntries(addresses) };
    await this.tenants.recordAccess(actor, PLATFORM, 'authentication.refused', 'api', detail);
    this.unauthenticated -= attempts;
    this.addresses = new Map();
  }
}
