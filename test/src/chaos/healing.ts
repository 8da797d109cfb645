import pg from 'pg';
import { EvidenceReader, type Pending } from '../checker/evidence-reader.js';
import { type LocalFile } from '../house/running-platform.js';
import { monotonicMs, pause } from '../wire/time.js';
import { type Cast } from './cast.js';

const QUIET_MS = 2_000;
const HEAL_TIMEOUT_MS = 120_000;
const PENDING_POLL_MS = 250;

/** Where the database of a platform is, now. */
export interface DatabasePlace {
  readonly local: Pick<LocalFile, 'databaseUrl'>;
}

/** Waits until nothing is pending. @returns why it gave up, when it did, and a connection to the database. */
export async function heal(
  platform: DatabasePlace,
  cast: Cast,
): Promise<{ problem?: string; db: pg.Client }> {
  const deadline = monotonicMs() + HEAL_TIMEOUT_MS;
  let pending: Pending | undefined;
  let db = await connect(platform);
  for (;;) {
    try {
      pending = await new EvidenceReader(db, new Map(), cast.tenants).pending(cast.destinations);
      if (pending.events + pending.facts + pending.deliveries === 0) {
        // What trickles on behind: consent changes come back into the log through compliance.
        await pause(QUIET_MS);
        pending = await new EvidenceReader(db, new Map(), cast.tenants).pending(cast.destinations);
        if (pending.events + pending.facts + pending.deliveries === 0) return { db };
      }
    } catch (error) {
      // Postgres may still be the one that heals.
      await db.end().catch(() => undefined);
      if (monotonicMs() > deadline) throw error;
      db = await connect(platform);
    }
    if (monotonicMs() > deadline)
      return { problem: `not healed after ${HEAL_TIMEOUT_MS / 1000} s: ${JSON.stringify(pending)}`, db };
    await pause(PENDING_POLL_MS);
  }
}

/** A connection as soon as the database takes one. */
export async function connect(platform: DatabasePlace): Promise<pg.Client> {
  const deadline = monotonicMs() + HEAL_TIMEOUT_MS;
  for (;;) {
    const db = new pg.Client({ connectionString: platform.local.databaseUrl });
    db.on('error', () => undefined);
    try {
      await db.connect();
      return db;
    } catch (error) {
      if (monotonicMs() > deadline) throw error;
      await pause(PENDING_POLL_MS);
    }
  }
}
