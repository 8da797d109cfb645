import { Controller } from '@nestjs/common';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type CheckAddressRequest,
  type CheckAddressResponse,
  type CorrectSuppressionRequest,
  type CorrectSuppressionResponse,
  type CreateSuppressionRequest,
  type CreateSuppressionResponse,
  type DecideReviewRequest,
  type DecideReviewResponse,
  type DeleteSuppressionRequest,
  type DeleteSuppressionResponse,
  type ImportSuppressionsRequest,
  type ImportSuppressionsResponse,
  type ListReviewsRequest,
  type ListReviewsResponse,
  type ListSuppressionsRequest,
  type ListSuppressionsResponse,
  type SuppressionQueryServiceController,
  SuppressionQueryServiceControllerMethods,
  type SuppressionServiceController,
  SuppressionServiceControllerMethods,
  type SuppressionRow,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ApplyWaiting } from '../application/apply-waiting.js';
import { CorrectSuppression } from '../application/correct-suppression.js';
import { CreateSuppression } from '../application/create-suppression.js';
import { DecideReview } from '../application/decide-review.js';
import { DeleteSuppression } from '../application/delete-suppression.js';
import { importRows, type TakenRow } from '../application/import-rows.js';
import { PermitDrain } from '../application/permit-drain.js';
import { ReadSuppressions } from '../application/read-suppressions.js';
import { beforeOf, pageLimit, pageOf } from './page.js';
import { reviewMessage, rowMessage, suppressionMessage } from './suppressions.dto.js';

/** Reads for the REST API. */
@Controller()
@SuppressionQueryServiceControllerMethods()
export class SuppressionQueryController implements SuppressionQueryServiceController {
  constructor(private readonly read: ReadSuppressions) {}

  async listSuppressions(request: ListSuppressionsRequest): Promise<ListSuppressionsResponse> {
    const limit = pageLimit(request.limit);
    const found = await this.read.list(request, beforeOf('sup', request.cursor), limit + 1);
    const { page, nextCursor } = pageOf(found, limit, ({ id }) => [idOfUuid('sup', id)]);
    return { suppressions: page.map(suppressionMessage), nextCursor };
  }

  async checkAddress({ tenantId, address, channel }: CheckAddressRequest): Promise<CheckAddressResponse> {
    const suppressions = (await this.read.at(tenantId, address, channel)).map(suppressionMessage);
    return { isSuppressed: suppressions.length > 0, suppressions };
  }

  async listReviews(request: ListReviewsRequest): Promise<ListReviewsResponse> {
    const limit = pageLimit(request.limit);
    const before = beforeOf('evt', request.cursor);
    const found = await this.read.reviews(request.tenantId, request.state, before, limit + 1);
    const { page, nextCursor } = pageOf(found, limit, ({ eventId }) => [idOfUuid('evt', eventId)]);
    return { reviews: page.map(reviewMessage), nextCursor };
  }
}

/** Changes by a person: after all that was acknowledged before. */
@Controller()
@SuppressionServiceControllerMethods()
export class SuppressionController implements SuppressionServiceController {
  constructor(
    private readonly waiting: ApplyWaiting,
    private readonly create: CreateSuppression,
    private readonly remove: DeleteSuppression,
    private readonly correct: CorrectSuppression,
    private readonly decide: DecideReview,
    private readonly drain: PermitDrain,
  ) {}

  async createSuppression(request: CreateSuppressionRequest): Promise<CreateSuppressionResponse> {
    await this.waiting.ofTenant(request.tenantId);
    const { suppression } = await this.create.run({ ...request, personId: '' });
    return { suppression: suppressionMessage(suppression) };
  }

  async deleteSuppression(request: DeleteSuppressionRequest): Promise<DeleteSuppressionResponse> {
    await this.waiting.ofTenant(request.tenantId);
    await this.remove.run(request);
    return {};
  }

  async correctSuppression(request: CorrectSuppressionRequest): Promise<CorrectSuppressionResponse> {
    await this.waiting.ofTenant(request.tenantId);
    return { suppression: suppressionMessage(await this.correct.run(request)) };
  }

  async importSuppressions(request: ImportSuppressionsRequest): Promise<ImportSuppressionsResponse> {
    const { tenantId, actorId, principal } = request;
    await this.waiting.ofTenant(tenantId);
    const take = async (row: SuppressionRow): Promise<TakenRow> => {
      const { suppression, ...made } = await this.create.take({ tenantId, actorId, principal, ...row });
      return { id: suppression.id, ...made };
    };
    const results = await importRows(request.rows, take, (permits) => this.drain.wait(permits));
    return { results: results.map((result) => rowMessage(result, 'sup')) };
  }

  async decideReview(request: DecideReviewRequest): Promise<DecideReviewResponse> {
    await this.waiting.ofTenant(request.tenantId);
    return { review: reviewMessage(await this.decide.run(request)) };
  }
}
