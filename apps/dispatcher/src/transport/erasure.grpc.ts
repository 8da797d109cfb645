import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type ErasePersonRequest,
  type ErasePersonResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { ErasePerson } from '../application/erase-person.js';
import { erasureOrderOf } from './command.dto.js';
import { tenantUuidOf } from './delivery.dto.js';

/** Erases persons for the API. */
@Controller()
export class ErasureController {
  constructor(private readonly erase: ErasePerson) {}

  @GrpcMethod('ErasureService', 'erasePerson')
  async erasePerson(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    const { personHashes, actorId } = erasureOrderOf(request);
    const erased = await this.erase.run(tenantUuidOf(request.tenantId), personHashes, actorId);
    return { erased: erased.map(({ table, rows }) => ({ table, rows: BigInt(rows) })) };
  }
}
