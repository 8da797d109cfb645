import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type ApiKeyStore, type KeyUse } from '../persistence/api-key.store.js';

const WRITE_INTERVAL_MS = 1_000;
/** Beyond it uses are not noted until the next write: a key's next use comes. */
const WAITING_MAX = 5_000;

/** Collects uses of API keys and writes them together: no request waits for it, and none fails because of it. */
export class KeyUses {
  private waiting = new Map<string, KeyUse>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;

  constructor(
    private readonly db: Database,
    private readonly apiKeys: ApiKeyStore,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.writing ??= this.write().finally(() => (this.writing = undefined));
    }, WRITE_INTERVAL_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
    await this.write();
  }

  note(use: KeyUse): void {
    if (this.waiting.size < WAITING_MAX) this.waiting.set(use.tokenHash.toString('base64'), use);
  }

  private async write(): Promise<void> {
    const uses = [...this.waiting.values()];
    this.waiting = new Map();
    try {
      for (const kind of ['tenant', 'operator'] as const) {
        const own = uses.filter((use) => use.kind === kind);
        if (own.length > 0) await this.apiKeys.touch(this.db, kind, own);
      }
    } catch (err) {
      this.log.warn({ err, count: uses.length }, 'uses of keys were not noted');
    }
  }
}
