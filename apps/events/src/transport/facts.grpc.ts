import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type GetHeadsResponse,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { SHARD_COUNT } from '../domain/intake.js';
import { OutboxRead } from '../persistence/outbox.read.js';

const LIMIT_MAX = 1_000;

/** Facts for consumers that missed some. */
@Controller()
export class FactController {
  constructor(private readonly outbox: OutboxRead) {}

  @GrpcMethod('FactService', 'listFacts')
  listFacts({ shard, afterSequence, limit }: ListFactsRequest): Promise<ListFactsResponse> {
    const fields = [
      ...(shard < SHARD_COUNT ? [] : [{ path: 'shard', message: `must be below ${SHARD_COUNT}` }]),
      ...(limit >= 1 && limit <= LIMIT_MAX ? [] : [{ path: 'limit', message: `must be 1 to ${LIMIT_MAX}` }]),
    ];
    if (fields.length > 0) throw new AppError('request.invalid', { fields });
    return this.outbox.page(shard, afterSequence, limit);
  }

  @GrpcMethod('FactService', 'getHeads')
  async getHeads(): Promise<GetHeadsResponse> {
    return { heads: await this.outbox.heads() };
  }
}
