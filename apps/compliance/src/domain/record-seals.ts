import { uuidBytes } from '@posthorn/clock/id.js';
import { sealAad, type SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ConsentProof } from './consent-proof.js';

/** Where words about a person are kept. Of a row each place is sealed by itself, and opens nowhere else. */
export const RECORD_PLACES = ['proof', 'signal_note', 'lift_reason', 'review_note'] as const;
export type RecordPlace = (typeof RECORD_PLACES)[number];

/** One place of one row; IDs are UUID texts. */
export interface RecordAt {
  readonly tenantId: string;
  readonly place: RecordPlace;
  readonly rowId: string;
}

/** A proof as it is kept: sealed as a whole, or, from before there was a key, in the clear. */
export interface KeptProof extends ConsentProof {
  readonly sealed?: string;
}

/** The box of a tenant's record key: `none` when no key was made yet, undefined when it is not in memory. */
export type RecordBoxOf = (tenantId: string) => SealedBox | 'none' | undefined;

/** What is sealed begins with it. Base64 of a sealed box follows. */
export const SEALED_PREFIX = 'sealed:1:';
/** A version that knows of no sealing shows this: all there, and empty. */
const NO_PROOF: ConsentProof = {
  ...{ eventId: '', wording: '', wordingVersion: '', method: '', url: '', ip: '', note: '' },
};

/**
 * Seals and opens consent records: proofs of consents, and what staff wrote.
 * Why text in the columns that it always stood in: a version of before erases, purges and moves such rows as it does others.
 */
export class RecordSeals {
  constructor(private readonly boxOf: RecordBoxOf) {}

  /**
   * As it is to be kept; what is empty stays so. As long as tenants has made no key it is kept as it is: SealRecords seals it
   * when there is one. @throws AppError `data_key.unavailable`.
   */
  seal(at: RecordAt, text: string): string {
    const box = this.boxOf(at.tenantId);
    if (box === undefined || (box === 'none' && text.startsWith(SEALED_PREFIX)))
      throw new AppError('data_key.unavailable');
    if (text === '' || box === 'none') return text;
    return SEALED_PREFIX + box.seal(Buffer.from(text), aadOf(at)).toString('base64');
  }

  /** @throws AppError `data_key.unavailable`; `ciphertext.invalid` for what was sealed for another place or row. */
  open(at: RecordAt, kept: string): string {
    if (!kept.startsWith(SEALED_PREFIX)) return kept;
    const box = this.boxOf(at.tenantId);
    if (box === undefined || box === 'none') throw new AppError('data_key.unavailable');
    const sealed = Buffer.from(kept.slice(SEALED_PREFIX.length), 'base64');
    return box.open(sealed, aadOf(at)).toString('utf8');
  }

  /** @throws as `seal` does. */
  sealProof(tenantId: string, rowId: string, proof: ConsentProof): KeptProof {
    const text = JSON.stringify(proof);
    const sealed = this.seal({ tenantId, place: 'proof', rowId }, text);
    return sealed === text ? proof : { ...NO_PROOF, sealed };
  }

  /** @throws as `open` does. */
  openProof(tenantId: string, rowId: string, kept: KeptProof): ConsentProof {
    if (kept.sealed === undefined) return kept;
    return JSON.parse(this.open({ tenantId, place: 'proof', rowId }, kept.sealed)) as ConsentProof;
  }
}

const aadOf = ({ tenantId, place, rowId }: RecordAt): Buffer =>
  sealAad(place, uuidBytes(tenantId), uuidBytes(rowId));
