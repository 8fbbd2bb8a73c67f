from serving.client.command_line import main

main()
