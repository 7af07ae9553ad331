// A dataset by Flamenco: copy this file into the folder "scripts" beside the manager, and submit a job of the
// type "gltf-dataset". The workers need gltf-render-dataset, and the folder on storage that all of them share.

const JOB_TYPE = {
    label: "glTF dataset",
    description: "Make a dataset from a specification, one task for each shard",
    settings: [
        { key: "specification", type: "string", required: true,
          description: "The dataset's specification, a TOML file on shared storage" },
        { key: "folder", type: "string", required: true,
          description: "The dataset's folder, on shared storage" },
        { key: "shards", type: "int32", default: 16,
          description: "How many tasks the items are split into" },
        { key: "workers", type: "int32", default: 2,
          description: "How many renderers a task runs at once" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    for (let shard = 1; shard <= settings.shards; shard++) {
        const task = author.Task(`shard-${shard}`, "misc");
        task.addCommand(author.Command("exec", {
            exe: "gltf-render-dataset",
            args: [
                "make", settings.specification, "-o", settings.folder,
                "--shard", `${shard}/${settings.shards}`, "--workers", `${settings.workers}`,
            ],
        }));
        job.addTask(task);
    }
}
