import { type UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  type ReportShapesRequest,
  type ReportShapesResponse,
  type ShapeReport,
} from '@posthorn/contracts/posthorn/events/v1/events.js';

type Answer = (error: null | { code: number; details: string }, response?: ReportShapesResponse) => void;
const UNAVAILABLE = 14;

/** The part of the event log that knows of what fields bodies are, played: keeps each report once. */
export class FarShapes {
  readonly reports: ShapeReport[] = [];
  isDown = false;

  readonly implementation: UntypedServiceImplementation = {
    reportShapes: ({ request }: { readonly request: ReportShapesRequest }, answer: Answer): void => {
      if (this.isDown) return answer({ code: UNAVAILABLE, details: 'down' });
      for (const report of request.reports)
        if (!this.reports.some(({ id }) => id.equals(report.id))) this.reports.push(report);
      answer(null, {});
    },
  };
}
