import type { Tx } from '@posthorn/postgres/database.js';

/** Where something of a person's may stand, and what is done to it. Hashes, signals and suppressions stay. */
const STEPS = [
  {
    table: 'consent_proof',
    text: `DELETE FROM compliance.consent_proof WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[])`,
  },
  {
    table: 'consent_signal',
    text: `UPDATE compliance.consent_signal SET note = ''
           WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) AND note <> ''`,
  },
  {
    table: 'suppression',
    text: `UPDATE compliance.suppression SET lifted_reason = ''
           WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) AND lifted_reason <> ''`,
  },
  {
    table: 'review',
    text: `UPDATE compliance.review SET note = ''
           WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) AND note <> ''`,
  },
] as const;

/** What went from one table. */
export interface Erased {
  readonly table: string;
  readonly rows: number;
}

/** Takes away what may say who a person is: proofs, and the notes that staff wrote. */
export class ErasureStore {
  async erase(tx: Tx, tenantId: string, hashes: readonly Buffer[]): Promise<Erased[]> {
    const erased: Erased[] = [];
    for (const { table, text } of STEPS) {
      const { rowCount } = await tx.query({ name: `erase_${table}`, text }, [tenantId, hashes]);
      erased.push({ table, rows: rowCount });
    }
    return erased;
  }
}
