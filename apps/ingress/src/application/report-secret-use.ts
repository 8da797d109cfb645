import type { Logger } from '@posthorn/server/logger.js';
import type { SecretUse, UsageClient } from '../clients/usage.client.js';

/** So often a secret is reported at most. */
const INTERVAL_MS = 10_000;
const USES_PER_CALL_MAX = 1_000;
/** Secrets between two reports; those beyond it are told the next time they match. */
const SECRETS_MAX = 20_000;

interface Use {
  readonly tenantId: string;
  matchedAtMs: number;
}

/** Which secret requests matched last, so that an operator sees when a provider has switched to a new one. */
export class ReportSecretUse {
  private uses = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: Pick<UsageClient, 'report'>,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), INTERVAL_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  /** @param secretId `sec_…`; keys that a sender publishes have no such ID, and are left out. */
  matched(tenantId: string, secretId: string, atMs: number): void {
    const use = this.uses.get(secretId);
    if (use !== undefined) use.matchedAtMs = Math.max(use.matchedAtMs, atMs);
    else if (secretId.startsWith('sec_') && this.uses.size < SECRETS_MAX)
      this.uses.set(secretId, { tenantId, matchedAtMs: atMs });
  }

  private async flush(): Promise<void> {
    if (this.uses.size === 0) return;
    const uses = [...this.uses].map(([secretId, { tenantId, matchedAtMs }]): SecretUse => ({
      tenantId,
      secretId,
      matchedAtMs,
    }));
    this.uses = new Map();
    for (let at = 0; at < uses.length; at += USES_PER_CALL_MAX) {
      const some = uses.slice(at, at + USES_PER_CALL_MAX);
      try {
        await this.client.report(some);
      } catch (error) {
        this.log.warn(
          { stage: 'usage', err: error },
          'the use of secrets could not be reported; it will be again',
        );
        for (const { tenantId, secretId, matchedAtMs } of some) this.matched(tenantId, secretId, matchedAtMs);
      }
    }
  }
}
