import { Controller } from '@nestjs/common';
import { uuidOfId } from '@posthorn/clock/id.js';
import {
  type CheckAddressRequest,
  type CheckAddressResponse,
  type CreateSuppressionRequest,
  type CreateSuppressionResponse,
  type DeleteSuppressionRequest,
  type DeleteSuppressionResponse,
  type ListSuppressionsRequest,
  type ListSuppressionsResponse,
  type SuppressionQueryServiceController,
  SuppressionQueryServiceControllerMethods,
  type SuppressionServiceController,
  SuppressionServiceControllerMethods,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { CreateSuppression } from '../application/create-suppression.js';
import { DeleteSuppression } from '../application/delete-suppression.js';
import { invalid } from '../application/edge-tenants.js';
import { ReadSuppressions } from '../application/read-suppressions.js';
import { suppressionMessage } from './suppressions.dto.js';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;

/** Reads for the REST API. */
@Controller()
@SuppressionQueryServiceControllerMethods()
export class SuppressionQueryController implements SuppressionQueryServiceController {
  constructor(private readonly read: ReadSuppressions) {}

  async listSuppressions(request: ListSuppressionsRequest): Promise<ListSuppressionsResponse> {
    const limit = request.limit === 0 ? LIMIT_DEFAULT : Math.min(request.limit, LIMIT_MAX);
    // One more than asked for shows whether there is a next page.
    const found = await this.read.list(request.tenantId, beforeOf(request.cursor), limit + 1);
    const suppressions = found.slice(0, limit).map(suppressionMessage);
    const nextCursor = found.length > limit ? encodeCursor([suppressions.at(-1)!.id]) : '';
    return { suppressions, nextCursor };
  }

  async checkAddress({ tenantId, address, channel }: CheckAddressRequest): Promise<CheckAddressResponse> {
    const suppressions = (await this.read.at(tenantId, address, channel)).map(suppressionMessage);
    return { isSuppressed: suppressions.length > 0, suppressions };
  }
}

/** Changes by a person. */
@Controller()
@SuppressionServiceControllerMethods()
export class SuppressionController implements SuppressionServiceController {
  constructor(
    private readonly create: CreateSuppression,
    private readonly remove: DeleteSuppression,
  ) {}

  async createSuppression(request: CreateSuppressionRequest): Promise<CreateSuppressionResponse> {
    return { suppression: suppressionMessage(await this.create.run(request)) };
  }

  async deleteSuppression(request: DeleteSuppressionRequest): Promise<DeleteSuppressionResponse> {
    await this.remove.run(request);
    return {};
  }
}

function beforeOf(cursor: string): string | undefined {
  if (cursor === '') return undefined;
  const before = uuidOfId('sup', decodeCursor(cursor, 1)[0]!);
  if (before === undefined) throw invalid('query.cursor', 'must be the nextCursor of an earlier answer');
  return before;
}
