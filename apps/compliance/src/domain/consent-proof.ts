/** What proves a consent; each part may be empty. It may hold personal data: an erasure deletes it. */
export interface ConsentProof {
  /** `evt_…` of the event it came with. */
  readonly eventId: string;
  readonly wording: string;
  readonly wordingVersion: string;
  readonly method: string;
  readonly url: string;
  readonly ip: string;
  readonly note: string;
}

export const PROOF_BYTES_MAX = 4_096;
export const PROOF_METHODS: readonly string[] = [
  '',
  'web_form',
  'keyword',
  'paper',
  'phone',
  'api',
  'import',
];
