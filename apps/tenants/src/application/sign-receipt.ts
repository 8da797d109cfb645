import { idOfUuid } from '@posthorn/clock/id.js';
import { canonicalReceipt } from '../domain/receipt.js';
import { type CheckpointSigner } from './checkpoint-signer.js';

/** A receipt under the platform's key. */
export interface SignedReceipt {
  /** The bytes that are signed, as UTF-8. */
  readonly canonicalJson: string;
  /** `sec_…` */
  readonly keyId: string;
  /** Ed25519, 64 bytes. */
  readonly signature: Buffer;
}

/** Signs what the platform says that it has done, with the key that signs checkpoints. */
export class SignReceipt {
  constructor(private readonly signer: Pick<CheckpointSigner, 'signText'>) {}

  /** @param receiptJson one JSON object. @throws AppError `request.invalid`, `store.unavailable` */
  async run(receiptJson: string): Promise<SignedReceipt> {
    const canonicalJson = canonicalReceipt(receiptJson);
    const { keyId, signature } = await this.signer.signText(canonicalJson);
    return { canonicalJson, keyId: idOfUuid('sec', keyId), signature };
  }
}
