import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type ListSigningKeysResponse,
  type SignReceiptRequest,
  type SignReceiptResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { CheckpointSigner } from '../application/checkpoint-signer.js';
import { SignReceipt } from '../application/sign-receipt.js';

const SERVICE = 'ReceiptService';

/** Receipts, and what they are verified with. */
@Controller()
export class ReceiptController {
  constructor(
    private readonly sign: SignReceipt,
    private readonly signer: CheckpointSigner,
  ) {}

  @GrpcMethod(SERVICE, 'signReceipt')
  async signReceipt({ receiptJson }: SignReceiptRequest): Promise<SignReceiptResponse> {
    return this.sign.run(receiptJson);
  }

  @GrpcMethod(SERVICE, 'listSigningKeys')
  async listSigningKeys(): Promise<ListSigningKeysResponse> {
    const keys = await this.signer.publicKeys();
    return { keys: keys.map(({ keyId, ...key }) => ({ id: idOfUuid('sec', keyId), ...key })) };
  }
}
