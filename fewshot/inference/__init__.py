"""Drawing: pictures, folders, whole pictures with their faces put back, videos, paper, files to take along.

    engine         what all engines do, and what a person means by base and styles; loads without torch
    onnx_engine    ONNX Runtime: the default       torch_engine   torch: for networks in memory
    detection      faces in photos                 framing        one of them cut out like a selfie
    levelling      tilted heads drawn level        preparing      a photo as the model is to see it
    stylize        pictures and folders            whole          a picture with all its faces
    sweep          strengths and blends, a sheet   outputs        where each drawing goes
    tracking, steadying, video, video_files, video_writer    videos, frame by frame
    printing       photo paper                     export         one ONNX file for others

Imports `fewshot.adapters`, `fewshot.data`, `fewshot.styles` and `base_models`; nothing here trains.
"""
