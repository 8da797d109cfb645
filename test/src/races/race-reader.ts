import type pg from 'pg';
import { idOf } from '../wire/ids.js';
import { monotonicMs } from '../wire/time.js';
import { type StoredCommand } from './race.js';

/** What the database says of a run, read by the judge's own SQL. */
export class RaceReader {
  constructor(
    private readonly db: pg.Client,
    private readonly tenants: readonly string[],
  ) {}

  async commands(): Promise<StoredCommand[]> {
    const { rows } = await this.db.query<{
      message_id: string;
      person: string;
      state: string;
      provider_message_id: string;
      decision_rule: string;
      since: string;
    }>(
      `SELECT message_id, tenant_id || ' ' || encode(person_hash, 'hex') AS person, state, provider_message_id,
              decision_rule, extract(epoch FROM state_changed_at) * 1000 AS since
       FROM dispatch.command WHERE tenant_id = ANY($1)`,
      [this.tenants],
    );
    const wallToMonotonicMs = monotonicMs() - Date.now();
    return rows.map((row) => ({
      messageId: idOf('msg', row.message_id),
      person: row.person,
      state: row.state,
      sinceMs: Number(row.since) + wallToMonotonicMs,
      providerMessageId: row.provider_message_id,
      rule: row.decision_rule,
    }));
  }

  /** Persons with a suppression in force. */
  async suppressed(): Promise<Set<string>> {
    const { rows } = await this.db.query<{ person: string }>(
      `SELECT DISTINCT tenant_id || ' ' || encode(person_hash, 'hex') AS person
       FROM compliance.suppression WHERE tenant_id = ANY($1) AND lifted_at IS NULL`,
      [this.tenants],
    );
    return new Set(rows.map(({ person }) => person));
  }

  async pendingSignals(): Promise<number> {
    const { rows } = await this.db.query<{ count: string }>(
      'SELECT count(*) FROM compliance.pending_signal WHERE tenant_id = ANY($1)',
      [this.tenants],
    );
    return Number(rows[0]!.count);
  }

  /** Messages that will still move by themselves; those that may be at the provider by their ID. */
  async open(): Promise<{ readonly moving: number; readonly indeterminate: readonly string[] }> {
    const { rows } = await this.db.query<{ message_id: string; state: string }>(
      'SELECT message_id, state FROM dispatch.command WHERE tenant_id = ANY($1) AND finished_at IS NULL',
      [this.tenants],
    );
    const indeterminate = rows.filter(({ state }) => state === 'indeterminate');
    return {
      moving: rows.length - indeterminate.length,
      indeterminate: indeterminate.map(({ message_id }) => idOf('msg', message_id)),
    };
  }
}
