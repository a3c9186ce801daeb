"""Function Compute: functions' real code in processes of its own, and both APIs that invoke them.

A function is deployed to a cloud that is being served, as Serverless Devs' file describes it:

    with serving(cloud) as url:
        function = read_function(Path("s.yaml"), {"ACR_REFRESHER_ACCOUNT": account})
        with deployed(cloud, function.with_environment(ACR_REFRESHER_LOCAL_CLOUD=url)) as there:
            there.fire_timer(times=2)
            there.wait_until_idle()
            assert [task.state for task in there.tasks] == ["Succeeded", "Succeeded"]
"""
