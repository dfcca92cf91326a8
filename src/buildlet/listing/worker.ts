// The second thread of listings: the entry of a bundle of its own.
import { openDirectory } from '../../files/open-directory.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { type JobChannel, serveJobs } from '../../worker/serve-jobs.ts';
import { type Examined, examine } from './examine.ts';
import type { ExamineJob } from './examine-all.ts';

serveJobs(async ({ top, wanted }: ExamineJob, channel: JobChannel<readonly Examined[]>) => {
  const tree = new OpenTree(openDirectory(top));
  try {
    return await examine(tree, wanted, () => channel.turn());
  } finally {
    tree.close();
  }
});
