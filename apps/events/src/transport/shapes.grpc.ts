import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type {
  ReportShapesRequest,
  ReportShapesResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { ReportShapes } from '../application/report-shapes.js';

/** Of what fields bodies are, for ingress. */
@Controller()
export class ShapeController {
  constructor(private readonly shapes: ReportShapes) {}

  @GrpcMethod('ShapeService', 'reportShapes')
  async reportShapes({ reports }: ReportShapesRequest): Promise<ReportShapesResponse> {
    await this.shapes.run(reports);
    return {};
  }
}
