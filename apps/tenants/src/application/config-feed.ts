import { type Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type ConfigPage } from '../domain/config-page.js';
import { type ConfigStore } from '../persistence/config.store.js';
import { type ConfigLoader } from './config-loader.js';
import { type ConfigWake } from './config-wake.js';

/** How long another replica's change may go unnoticed when its wake-up is lost. */
export const POLL_MS = 200;

/**
 * The changes of the configuration, in the order of their versions, for all the streams of this process.
 * Streams that are level share one look at the database and one opening of secrets.
 */
export class ConfigFeed {
  private looked:
    { readonly generation: number; readonly atMs: number; readonly version: Promise<bigint> } | undefined;
  private loaded:
    { readonly after: bigint; readonly head: bigint; readonly page: Promise<ConfigPage> } | undefined;

  constructor(
    private readonly db: Database,
    private readonly config: ConfigStore,
    private readonly loader: ConfigLoader,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
  ) {}

  /** The last committed version; at most POLL_MS old, and never older than the last wake-up. */
  head(): Promise<bigint> {
    const [generation, nowMs] = [this.wake.generation, this.clock.monotonicMs()];
    const { looked } = this;
    if (looked !== undefined && looked.generation === generation && nowMs - looked.atMs < POLL_MS)
      return looked.version;
    const version = this.config.version(this.db);
    this.looked = { generation, atMs: nowMs, version };
    version.catch(() => (this.looked = undefined));
    return version;
  }

  /**
   * The next changes after a version, up to the head at most.
   * @throws AppError `service.unavailable` when they are no longer kept: a new snapshot is due.
   */
  async next(after: bigint, head: bigint): Promise<ConfigPage> {
    if (this.loaded?.after === after && this.loaded.head === head) return this.loaded.page;
    const page = this.load(after);
    const entry = { after, head, page };
    this.loaded = entry;
    page.catch(() => {
      if (this.loaded === entry) this.loaded = undefined;
    });
    return page;
  }

  /** Forgets opened secrets when nobody waits for them. */
  forget(): void {
    this.loaded = undefined;
  }

  private async load(after: bigint): Promise<ConfigPage> {
    const changes = await this.config.changesAfter(this.db, after);
    if (changes === undefined)
      throw new AppError('service.unavailable', { detail: 'too far behind: start again with a snapshot' });
    return this.loader.changes(changes);
  }
}
