import { createHash } from 'node:crypto';
import { type TenantsClient } from '../clients/tenants.client.js';

/** A receipt under the platform's key, and what proves it. */
export interface SignedReceipt<Receipt extends object> {
  /** Its members are sorted: without blanks, as UTF-8, it is what was signed. */
  readonly receipt: Receipt;
  /** SHA-256 of what was signed, hex. */
  readonly hash: string;
  readonly signature: { readonly keyId: string; readonly algorithm: 'Ed25519'; readonly value: string };
}

/** Has receipts signed by the service that holds the keys. */
export class SignReceipt {
  constructor(private readonly tenants: Pick<TenantsClient, 'receipts' | 'read'>) {}

  /** The same receipt gets the same signature. @throws AppError `service.unavailable`, `service.deadline` */
  async run<Receipt extends object>(receipt: Receipt): Promise<SignedReceipt<Receipt>> {
    const request = { receiptJson: JSON.stringify(receipt) };
    const { canonicalJson, keyId, signature } = await this.tenants.receipts.signReceipt(
      request,
      this.tenants.read,
    );
    return {
      receipt: JSON.parse(canonicalJson) as Receipt,
      hash: createHash('sha256').update(canonicalJson).digest('hex'),
      signature: { keyId, algorithm: 'Ed25519', value: signature.toString('base64') },
    };
  }
}
