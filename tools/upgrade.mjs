// `npm run upgrade`: an older version and this one side by side under load, and back. Arguments: --from REVISION --seed N --short --keep.
import { runJudge } from './run-judge.mjs';

runJudge('upgrade/main.js');
